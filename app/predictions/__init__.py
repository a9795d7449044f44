"""One compact row for each scoring job and image. Start reading at models.py."""
