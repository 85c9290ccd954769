"""Predictions outside Python: CSV files, JSON lines, exported files."""
