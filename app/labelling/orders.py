"""The orders of the queue as rows, so that a request reads a few of them however large the library.

An order is filled in blocks from its stream (`streams.py`, `coverage.py`), which goes on where it stopped; what was
settled meanwhile is dropped from it. So an order is stable while people work, and shared: leases keep them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, func, select, text
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import insert_into
from app.labelling import streams
from app.labelling.coverage import diverse
from app.labelling.policies import Part, Policy
from app.labelling.queue_models import QueueEntry, QueueOrder
from app.labelling.streams import Window
from app.library.models import IN_QUEUE, Image
from app.library.views import get_view
from app.registry.queries import reference_trunk, suggesting

BLOCK: Final = 100
LOOKED_AT_MOST: Final = 10_000
AGAIN: Final = timedelta(minutes=10)


def next_in_order(
    session: Session, project_id: int, part: Part, *, count: int, free: Sequence[ColumnElement[bool]]
) -> tuple[list[int], bool]:
    """The first `count` images of an order that wait and are `free` (conditions on QueueEntry.image_id).

    Also whether there may be more: a call looks at about LOOKED_AT_MOST rows, and the next goes on from there. Needs a
    write session that is alone in handing out images of the project.
    """
    order = _order(session, project_id, part)
    found = _first(session, order, count, free)
    if len(found) >= count:
        return found, True
    _drop_settled(session, order)
    looked_at = 0
    while len(found) < count and order.ended_at is None and looked_at < LOOKED_AT_MOST:
        added = 0
        while added < BLOCK and order.ended_at is None and looked_at < LOOKED_AT_MOST:
            window = _read(session, project_id, part, order)
            added += _append(session, order, window)
            looked_at += max(1, window.looked_at)
        found = _first(session, order, count, free)
    return found, order.ended_at is None


def _order(session: Session, project_id: int, part: Part) -> QueueOrder:
    """The order's row; begun anew when its source is another, or some time after its end."""
    key, source = part.key, _source(session, project_id, part)
    order = session.scalar(select(QueueOrder).where(QueueOrder.project_id == project_id, QueueOrder.key == key))
    if order is None:
        order = QueueOrder(project_id=project_id, key=key, source=source, cursors={}, next_position=0)
        session.add(order)
    elif order.source != source:
        session.execute(delete(QueueEntry).where(QueueEntry.order_id == order.id))
        order.source, order.cursors, order.ended_at = source, {}, None
    elif order.ended_at is not None and order.ended_at < now() - AGAIN:
        order.cursors, order.ended_at = {}, None
    elif order.ended_at is not None and streams.identified_since(session, project_id, order.ended_at):
        order.ended_at = None
    session.flush()
    return order


def _source(session: Session, project_id: int, part: Part) -> str:
    if part.policy is Policy.VIEW:
        return get_view(session, part.target or 0, project_id).query
    if part.policy is Policy.DISAGREEMENT:
        return f"versions {streams.versions_that_identified(session, project_id)}"
    if part.policy is Policy.DIVERSE:
        trunk = reference_trunk(session, project_id)
        return f"trunk {trunk.id}" if trunk else ""
    version_id = suggesting(session, project_id)
    return f"version {version_id}" if version_id else ""


def _first(session: Session, order: QueueOrder, count: int, free: Sequence[ColumnElement[bool]]) -> list[int]:
    waits = exists().where(Image.id == QueueEntry.image_id, text(IN_QUEUE))
    query = select(QueueEntry.image_id).where(QueueEntry.order_id == order.id, waits, *free)
    return list(session.scalars(query.order_by(QueueEntry.position).limit(count)))


def _drop_settled(session: Session, order: QueueOrder) -> None:
    waits = exists().where(Image.id == QueueEntry.image_id, text(IN_QUEUE))
    session.execute(
        delete(QueueEntry).where(QueueEntry.order_id == order.id, ~waits),
        execution_options={"synchronize_session": False},
    )


def _read(session: Session, project_id: int, part: Part, order: QueueOrder) -> Window:
    match part.policy:
        case Policy.DIVERSE:
            return diverse(session, project_id, order.cursors)
        case Policy.DISAGREEMENT:
            return streams.disagreement(session, project_id, order.cursors)
        case Policy.RARE:
            return streams.rare(session, project_id, order.cursors)
        case Policy.VIEW:
            wanted = get_view(session, part.target or 0, project_id).filter.conditions()
            return streams.waiting_where(session, project_id, wanted, order.cursors)
        case _:
            return streams.predicted(session, project_id, part, order.cursors)


def _append(session: Session, order: QueueOrder, window: Window) -> int:
    """Put what a window found at the end of the order, and remember how far it is read; how many were new."""
    rows = [
        {"order_id": order.id, "position": order.next_position + place, "image_id": image_id}
        for place, image_id in enumerate(window.image_ids)
    ]
    before = _length(session, order)
    if rows:
        session.connection().execute(insert_into(session, QueueEntry).on_conflict_do_nothing(), rows)
    order.next_position += len(rows)
    order.cursors = window.cursors
    order.ended_at = now() if window.is_end else None
    session.flush()
    return _length(session, order) - before


def _length(session: Session, order: QueueOrder) -> int:
    return session.scalar(select(func.count()).where(QueueEntry.order_id == order.id)) or 0
