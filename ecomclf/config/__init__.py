"""One YAML file → one frozen, checked `Config`, search space included."""
