"""What the map shows: points that match a filter, with what they can be coloured by, as one binary answer.

Layout, little-endian: u32 length of a JSON head, the head with spaces up to a multiple of 8, then for `head.count`
points the arrays id f64, class f64 (0: none), x f32, y f32, state u8, origin u8. The head names states and origins in
the order of their numbers, and classes by id.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.core.texts import tr
from app.embeddings.maps import KIND
from app.embeddings.models import Embedding, MapLayout, MapPoint
from app.embeddings.states import EMBEDDED_STATES
from app.library.class_names import class_names
from app.library.filters import ImageFilter
from app.library.models import Image, ImageState, Origin
from app.registry.queries import reference_trunk
from app.runs.lifecycle import ENDED
from app.runs.models import Run

SHOWN: Final = 100_000
_COUNTED: Final = 10_000
_STATES: Final = [state.value for state in ImageState]
_ORIGINS: Final = [origin.value for origin in Origin]


@dataclass(frozen=True, slots=True)
class MapStatus:
    """A project's newest finished layout, if any, how many embedded images came since, the run that draws it now."""

    trunk: str | None
    layout: MapLayout | None
    arrived: int
    run_id: int | None = None


def map_status(session: Session, project_id: int) -> MapStatus:
    """The newest finished layout by the reference trunk; arrivals are counted up to 10,000."""
    trunk = reference_trunk(session, project_id)
    if trunk is None:
        return MapStatus(None, None, 0)
    layout = session.scalar(
        select(MapLayout)
        .where(MapLayout.project_id == project_id, MapLayout.trunk_id == trunk.id, MapLayout.finished_at.is_not(None))
        .order_by(MapLayout.id.desc())
        .limit(1)
    )
    since = layout.last_image_id if layout else 0
    newer = (
        select(Embedding.image_id)
        .join(Image, Image.id == Embedding.image_id)
        .where(Embedding.trunk_id == trunk.id, Embedding.image_id > since)
        .where(Image.project_id == project_id, Image.state.in_(EMBEDDED_STATES))
        .limit(_COUNTED)
    )
    arrived = session.scalar(select(func.count()).select_from(newer.subquery())) or 0
    drawing = select(Run.id).where(Run.project_id == project_id, Run.kind == KIND, Run.state.not_in(ENDED))
    return MapStatus(trunk.architecture, layout, arrived, session.scalar(drawing.order_by(Run.id.desc()).limit(1)))


def require_layout(session: Session, layout_id: int, project_id: int) -> None:
    """Raises NotFound where there is no such layout in this project."""
    layout = session.get(MapLayout, layout_id)
    if layout is None or layout.project_id != project_id:
        raise NotFound(tr("no map %(id)s in this project", id=layout_id))


def map_points(session: Session, project_id: int, layout_id: int, chosen: ImageFilter) -> bytes:
    """Up to SHOWN points of a layout that match, an even sample of them, as the module says."""
    query = (
        select(Image.id, MapPoint.x, MapPoint.y, Image.class_id, Image.state, Image.origin)
        .join(MapPoint, MapPoint.image_id == Image.id)
        .where(Image.project_id == project_id, MapPoint.layout_id == layout_id)
        .order_by(MapPoint.place)
        .limit(SHOWN)
    )
    rows = session.execute(query.where(*chosen.conditions())).all()
    head = {
        "count": len(rows),
        "layout": layout_id,
        "states": _STATES,
        "origins": _ORIGINS,
        "classes": class_names(session, project_id),
    }
    return packed(head, rows)


def packed(head: dict[str, Any], rows: Any) -> bytes:
    """The answer for rows of (id, x, y, class, state, origin)."""
    columns: Any = list(zip(*rows, strict=True)) or [()] * 6
    ids, x, y, classes, states, origins = columns
    arrays = (
        np.asarray(ids, "<f8"),
        np.asarray([class_id or 0 for class_id in classes], "<f8"),
        np.asarray(x, "<f4"),
        np.asarray(y, "<f4"),
        np.asarray([_STATES.index(state) for state in states], "u1"),
        np.asarray([_ORIGINS.index(origin) for origin in origins], "u1"),
    )
    return with_head(head, arrays)


def with_head(head: dict[str, Any], arrays: Iterable[NDArray[Any]]) -> bytes:
    """A JSON head with its length before it, and arrays after it that begin at a multiple of 8 bytes."""
    written = json.dumps(head, ensure_ascii=False).encode()
    written += b" " * (-(4 + len(written)) % 8)
    return struct.pack("<I", len(written)) + written + b"".join(array.tobytes() for array in arrays)
