"""Which image a row of a table means: by its digest, else by its file name where only one has it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, aliased
from sqlalchemy.types import Text

from app.core.database import id_rows, is_sqlite
from app.exchange.formats.columns import TableRow
from app.exchange.formats.names import heard_name
from app.exchange.relabel_rows import Now
from app.labelling.models import LabelClass, SubClass
from app.library.models import Image, ImageSource, ImageWord
from app.library.names import name_words

_DIGEST_LENGTH: Final = 64
_MOST_OF_A_NAME: Final = 20
UNKNOWN: Final = "unknown"
AMBIGUOUS: Final = "ambiguous"


def find_images(session: Session, project_id: int, rows: Sequence[TableRow]) -> list[Now | str]:
    """For each row its image as it is now, UNKNOWN or AMBIGUOUS. At most a few thousand rows."""
    by_digest = _by_digest(session, project_id, [digest for row in rows if (digest := _digest(row))])
    by_name = _by_name(session, project_id, [name for row in rows if not _digest(row) and (name := _name(row))])
    ids = [_one(by_digest, by_name, row) for row in rows]
    present = _present(session, sorted({image_id for image_id in ids if isinstance(image_id, int)}))
    return [present[image_id] if isinstance(image_id, int) else image_id for image_id in ids]


def _digest(row: TableRow) -> str:
    text = row.cells.get("sha256", "").strip().lower()
    return text if len(text) == _DIGEST_LENGTH else ""


def _name(row: TableRow) -> str:
    return heard_name(row.cells.get("file", "")) or ""


def _one(by_digest: dict[str, int], by_name: dict[str, dict[int, str]], row: TableRow) -> int | str:
    digest, name = _digest(row), _name(row)
    if digest:
        return by_digest.get(digest, UNKNOWN)
    candidates = by_name.get(_base(name), {})
    whole = [image_id for image_id, known in candidates.items() if known == name]
    found = whole or list(candidates)
    if len(found) == 1:
        return found[0]
    return AMBIGUOUS if found else UNKNOWN


def _by_digest(session: Session, project_id: int, digests: Sequence[str]) -> dict[str, int]:
    query = select(Image.sha256, Image.id).where(
        Image.project_id == project_id, Image.sha256.in_(_texts(session, digests))
    )
    return dict(session.execute(query).all()) if digests else {}


def _by_name(session: Session, project_id: int, names: Sequence[str]) -> dict[str, dict[int, str]]:
    """Image ids with their whole names, by the last part of the name, by the index of names."""
    bases = {_base(name) for name in names}
    words = {max(kept, key=len) for base in bases if (kept := name_words(base))}
    if not words:
        return {}
    indexed = select(ImageWord.image_id).where(
        ImageWord.project_id == project_id, ImageWord.word.in_(_texts(session, sorted(words)))
    )
    # A name that hundreds of images share says nothing: more than a few of one are as good as two.
    rows = session.execute(
        select(Image.id, Image.file_name, func.min(ImageSource.name))
        .outerjoin(ImageSource, ImageSource.image_id == Image.id)
        .where(Image.project_id == project_id, Image.id.in_(indexed))
        .group_by(Image.id, Image.file_name)
        .limit(len(words) * _MOST_OF_A_NAME)
    )
    found: dict[str, dict[int, str]] = {}
    for image_id, file_name, arrived_as in rows:
        if file_name in bases:
            found.setdefault(file_name, {})[image_id] = arrived_as or file_name
    return found


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _texts(session: Session, texts: Iterable[str]) -> Any:
    """Texts for `column.in_(...)`, in one bind value."""
    if is_sqlite(session):
        return select(func.json_each(json.dumps(list(texts))).table_valued("value", name="texts").c.value)
    return select(func.unnest(literal(list(texts), ARRAY(Text))))


def _present(session: Session, ids: list[int]) -> dict[int, Now]:
    sub_class = aliased(SubClass)
    query = (
        select(Image.id, Image.file_name, Image.state, LabelClass.name, sub_class.name, Image.quality)
        .add_columns(Image.is_small_subject, Image.rotation, Image.label_version)
        .outerjoin(LabelClass, LabelClass.id == Image.class_id)
        .outerjoin(sub_class, sub_class.id == Image.sub_class_id)
        .where(Image.id.in_(id_rows(session, ids)))
    )
    return {
        row[0]: Now(row[0], row[1], row[2], row[3] or "", row[4] or "", row[5] or "", row[6], row[7], row[8])
        for row in session.execute(query)
    }
