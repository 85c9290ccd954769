"""What every process needs: TensorFlow's start, signals, timing, locks, the cache on disk."""
