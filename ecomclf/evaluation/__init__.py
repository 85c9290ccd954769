"""Metrics of predictions, their confidence intervals, tables of errors, and figures."""
