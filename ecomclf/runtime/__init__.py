"""What every process uses: TensorFlow's setup, signals, timing, file locks, the disk cache."""
