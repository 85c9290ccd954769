"""Configs: one YAML file becomes one frozen, checked `Config`, search space included."""
