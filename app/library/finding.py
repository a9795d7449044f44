"""One search box: a served transaction, the beginning of a digest, else of a file name or of one of its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from app.core.errors import InvalidInput
from app.library.filters import ImageFilter
from app.library.matching import look

LONGEST: Final = 200
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{6,64}")


@dataclass(frozen=True, slots=True)
class Found:
    """What was asked for: the one image, else the filter that lists all there are."""

    filter: ImageFilter
    image_id: int | None


def find(session: Session, project_id: int, text: str) -> Found:
    """Find images by what somebody typed or pasted. Raises InvalidInput for nothing, or too much."""
    tidy = text.strip()
    if not 1 <= len(tidy) <= LONGEST or "\0" in tidy:
        raise InvalidInput(f"what is searched for has 1 to {LONGEST} characters; received {len(tidy)}")
    for chosen in _readings(tidy):
        ids = look(session, project_id, chosen, wanted=2).ids
        if ids:
            return Found(chosen, ids[0] if len(ids) == 1 else None)
    return Found(ImageFilter(text=tidy), None)


def _readings(text: str) -> Iterator[ImageFilter]:
    """What the text may mean, the most telling first. Removed images are found too where nothing else is."""
    if len(text) <= 64 and " " not in text:  # noqa: PLR2004 - the longest transaction id
        yield ImageFilter(transaction_id=text, state="any")
    if _DIGEST.fullmatch(text):
        yield ImageFilter(sha256=text, state="any")
    yield ImageFilter(text=text)
    yield ImageFilter(text=text, state="any")
