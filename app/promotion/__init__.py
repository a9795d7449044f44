"""Comparison with production, the gate, promote and roll back. Start reading at service.py."""
