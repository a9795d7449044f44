"""Filtering images by where they lie: an area drawn on the map."""

from __future__ import annotations

from typing import Final

from app.core.texts import tr
from app.embeddings.areas import ids_in_area, is_in_area, parse_area
from app.library.grammar import Field

FIELDS: Final = (Field("area", lambda: tr("Area"), "groups", parse_area, is_in_area, ids_in_area, kind="shape"),)
