"""Embedding shards, the index over them, similarity. Start reading at store.py."""
