"""Read, check, deduplicate and split the rows of a source."""
