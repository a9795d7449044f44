"""Bulk identification jobs and the views over their results. Start reading at service.py."""
