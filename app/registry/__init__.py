"""Trunks, model versions, artifacts, class lists, thresholds and the production pointer. Start reading at models.py."""
