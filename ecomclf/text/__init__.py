"""Cleaned texts → token ids, batches of them, and word vectors."""
