"""Every table, run kind and filter field, joined once. Start reading at tables.py."""
