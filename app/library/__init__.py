"""Images, duplicates, quality, capture groups, imports, filters. Start reading at models.py."""
