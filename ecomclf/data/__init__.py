"""Rows from a source: read, checked, deduplicated and split."""
