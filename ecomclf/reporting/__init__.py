"""The report of a sweep: one HTML page, made from what its runs have recorded."""
