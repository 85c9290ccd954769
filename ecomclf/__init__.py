"""Product texts into shop categories, from honest split to registered model."""
