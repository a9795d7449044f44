"""Which images are worth an embedding."""

from __future__ import annotations

from typing import Final

from app.library.models import ImageState

EMBEDDED_STATES: Final = (ImageState.POOL, ImageState.LABELLED, ImageState.UNKNOWN, ImageState.NONE)
"""Neither removed nor quarantined."""
