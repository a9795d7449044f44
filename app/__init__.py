"""Winnow: everything that is true without TensorFlow. README.md has the map of packages."""
