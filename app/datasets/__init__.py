"""Cutoffs, splits, benchmark sets and snapshots. Start reading at service.py."""
