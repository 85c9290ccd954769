"""Text cleaning, token ids, batches and word vectors."""
