"""Networks and linear models: built, fitted, combined, and the classifier users load."""
