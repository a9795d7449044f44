"""Finding images by the beginning of their file name, or of one of its words: the index of names.

A name is kept from each of its words on (`img_12 lion.jpg`, `12 lion.jpg`, `lion.jpg`), so that one range of an
index answers, however large the library is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from sqlalchemy import ColumnElement, Select, exists, false, insert, select
from sqlalchemy.orm import Session

from app.library.models import Image, ImageWord

MOST_WORDS: Final = 12
MOST_CHARACTERS: Final = 60
_WORD: Final = re.compile(r"[^\W_]+")
_LAST: Final = chr(0x10FFFF)


def name_words(file_name: str) -> list[str]:
    """What the index keeps of a name: from each of its first words on, in lower case, cut to a length."""
    name = _plain(file_name)
    starts = [match.start() for match in _WORD.finditer(name)][:MOST_WORDS]
    stem_end = name.rfind(".")
    starts = [start for start in starts if start <= stem_end] or starts
    return sorted({name[start : start + MOST_CHARACTERS] for start in starts})


def index_names(session: Session, project_id: int, names: dict[int, str]) -> None:
    """Take the file names of new images (by id) into the index."""
    rows = [
        {"project_id": project_id, "word": word, "image_id": image_id}
        for image_id, name in sorted(names.items())
        for word in name_words(name)
    ]
    if rows:
        session.execute(insert(ImageWord), rows)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def named_like(project_id: int, text: str) -> Select[int]:
    """Ids of the images whose name, or one of its words, begins with `text`."""
    return select(ImageWord.image_id).where(ImageWord.project_id == project_id, *_begins(text)).distinct()


def is_named_like(text: str) -> ColumnElement[bool]:
    """The same as a condition on an image."""
    return exists().where(ImageWord.image_id == Image.id, *_begins(text))


def _begins(text: str) -> Iterator[ColumnElement[bool]]:
    lowered = _plain(text)[:MOST_CHARACTERS]
    first = _WORD.search(lowered)
    if first is None:
        yield false()
        return
    beginning = lowered[first.start() :]
    yield ImageWord.word >= beginning
    yield ImageWord.word < beginning + _LAST
