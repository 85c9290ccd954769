"""Labels and probabilities → metrics, intervals, tables and figures."""
