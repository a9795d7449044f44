"""Orders by how images look over a job's results: computed once for a filter, kept, so that pages keep their places.

Most different first: the surest MOST results are stacked and spread (`spreading.py`). Unlike what is labelled first:
those spread over the confidences asked for, each its own stack (`unlike.py`). What was decided about since leaves
the page, not the order. A new order is made when the job has grown or when little of the old one is left.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import id_rows, write
from app.core.errors import InvalidInput
from app.identification.look_models import DiverseOrder, StackedImage
from app.identification.matching import conditions, scored
from app.identification.nearness import embeddings_of
from app.identification.result_filter import ResultFilter
from app.identification.scope import JobScope
from app.identification.spreading import spread
from app.identification.unlike import MOST, unlike_first
from app.identification.walking import look
from app.library.models import Image
from app.predictions.models import Prediction

__all__ = ["MOST", "DiversePage", "Shown", "different_page", "spread_images"]

KEPT: Final = timedelta(days=7)
_AT_LEAST: Final = timedelta(minutes=1)
_WHILE_IT_GROWS: Final = timedelta(hours=1)
_FEW: Final = 30
_SWEPT: Final = 20
_CURSOR: Final = re.compile(r"(\d{1,18})\.(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Shown:
    """An image that stands for its stack: `behind` others of it match too. `stack` is a value of the field `stack`."""

    image_id: int
    behind: int
    stack: str


@dataclass(frozen=True, slots=True)
class _Order:
    """An order as it is kept: (stack, image id) from the most different stack on."""

    id: int
    considered: int
    images: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class DiversePage:
    """A page of stacks; `older` and `newer` are the cursors of what comes after and before it, None at the ends."""

    shown: list[Shown]
    older: str | None
    newer: str | None


def different_page(
    session: Session,
    scope: JobScope,
    wanted: ResultFilter,
    *,
    before: str | None = None,
    after: str | None = None,
    at: int | None = None,
    limit: int,
) -> DiversePage:
    """Stacks that match, most different first: behind cursor `before`, ahead of `after`, or from image `at` on.

    `session` is one for reading. Raises InvalidInput for a cursor that is none of ours.
    """
    told = _read_cursor(before or after)
    order = _order(session, scope, wanted, None if told is None else told[0])
    stacks = _matching(session, scope, wanted, order)
    if told is None and order.considered == MOST and len(stacks) < _FEW:
        order = _make(session, scope, wanted)
        stacks = _matching(session, scope, wanted, order)
    numbers = list(stacks)
    is_upwards = before is None and after is not None
    if told is not None:
        numbers = [each for each in numbers if (each < told[1] if is_upwards else each > told[1])]
    elif at is not None:
        numbers = numbers[next((place for place, each in enumerate(numbers) if at in stacks[each]), 0) :]
    part = numbers[-limit:] if is_upwards else numbers[:limit]
    shown = [Shown(stacks[each][0], len(stacks[each]) - 1, f"{order.id}.{each}") for each in part]
    goes_on = len(numbers) > len(part)
    has_older = bool(part) and (goes_on or is_upwards)
    has_newer = bool(part) and (goes_on if is_upwards else told is not None or bool(at))
    return DiversePage(shown, shown[-1].stack if has_older else None, shown[0].stack if has_newer else None)


def _read_cursor(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise InvalidInput("a page's cursor in an order by looks is order.stack", code="invalid_filter")
    return int(found[1]), int(found[2])


def _key(wanted: ResultFilter) -> str:
    sort = wanted.sort if wanted.sort == "unlike" else None
    return hashlib.sha256(wanted.to_query(sort=sort, group=None).encode()).hexdigest()[:32]


def _order(session: Session, scope: JobScope, wanted: ResultFilter, order_id: int | None) -> _Order:
    """The order that an address names, else the newest that still holds, else a new one."""
    own = select(DiverseOrder).where(DiverseOrder.job_id == scope.job_id, DiverseOrder.filter_key == _key(wanted))
    if order_id is not None and (named := session.scalar(own.where(DiverseOrder.id == order_id))) is not None:
        return _read(session, named)
    newest = session.scalar(own.order_by(DiverseOrder.id.desc()).limit(1))
    holds = newest is not None and _holds(newest, scope)
    return _read(session, newest) if newest is not None and holds else _make(session, scope, wanted)


def _read(session: Session, order: DiverseOrder) -> _Order:
    of_order = StackedImage.order_id == order.id
    rows = session.execute(
        select(StackedImage.stack, StackedImage.image_id).where(of_order).order_by(StackedImage.position)
    )
    return _Order(order.id, order.considered, [(stack, image_id) for stack, image_id in rows])


def _holds(order: DiverseOrder, scope: JobScope) -> bool:
    age = now() - order.created_at
    has_ended = 0 < scope.images == order.job_images
    return age < _AT_LEAST or has_ended or (order.considered == MOST and age < _WHILE_IT_GROWS)


def _matching(session: Session, scope: JobScope, wanted: ResultFilter, order: _Order) -> dict[int, list[int]]:
    """The images of each stack that match now, in the order's own order; stacks without any are left out."""
    ids = [image_id for _, image_id in order.images]
    query = scored(select(Prediction.image_id), wanted).where(
        *conditions(session, scope, wanted), Prediction.image_id.in_(id_rows(session, ids))
    )
    matching = set(session.scalars(query))
    stacks: dict[int, list[int]] = {}
    for stack, image_id in order.images:
        if image_id in matching:
            stacks.setdefault(stack, []).append(image_id)
    return stacks


def _make(session: Session, scope: JobScope, wanted: ResultFilter) -> _Order:
    """Compute an order and keep it, in a write session of its own."""
    if wanted.sort == "unlike":
        stacks = [[image_id] for image_id in unlike_first(session, scope, wanted)]
    else:
        surest = wanted.model_copy(update={"sort": "confident", "group": None})
        stacks = spread_images(
            session, scope, [image_id for _, image_id in look(session, scope, surest, limit=MOST).places]
        )
    images = [(number, image_id) for number, stack in enumerate(stacks) for image_id in stack]
    with write() as writing:
        order = DiverseOrder(
            job_id=scope.job_id,
            filter_key=_key(wanted),
            job_images=scope.images,
            considered=len(images),
            created_at=now(),
        )
        writing.add(order)
        writing.flush()
        rows = [
            {"order_id": order.id, "position": position, "stack": stack, "image_id": image_id}
            for position, (stack, image_id) in enumerate(images)
        ]
        if rows:
            writing.execute(insert(StackedImage), rows)
        old = select(DiverseOrder.id).where(DiverseOrder.created_at < now() - KEPT).limit(_SWEPT)
        writing.execute(delete(DiverseOrder).where(DiverseOrder.id.in_(old)))
    return _Order(order.id, len(images), images)


def spread_images(session: Session, scope: JobScope, ids: list[int]) -> list[list[int]]:
    """Images, the surest first, as stacks with the most different first; those without an embedding come last."""
    _, found, rows = embeddings_of(session, scope, ids)
    grouped = (Image.id.in_(id_rows(session, ids)), Image.duplicate_group_id.is_not(None))
    pairs = session.execute(select(Image.id, Image.duplicate_group_id).where(*grouped))
    groups: dict[int, int] = {image_id: group_id or 0 for image_id, group_id in pairs}
    stacks = [[found[place] for place in stack] for stack in spread(rows, [groups.get(each) for each in found])]
    known, of_group = set(found), {groups[each]: stack for stack in stacks for each in stack if each in groups}
    for image_id in ids:
        if image_id in known:
            continue
        if (stack := of_group.get(groups.get(image_id, 0))) is not None:
            stack.append(image_id)
            continue
        stacks.append([image_id])
        if image_id in groups:
            of_group[groups[image_id]] = stacks[-1]
    return stacks
