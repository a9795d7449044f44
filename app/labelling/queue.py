"""The queue: what waits for a label, handed out to one labeller at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, cast, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.clock import now
from app.core.database import id_rows, is_sqlite
from app.labelling.orders import next_in_order
from app.labelling.policies import Mix, Part, Policy
from app.labelling.queue_models import QueueEntry, QueueLease
from app.library.models import IN_QUEUE, Image, ImageState

LEASE = timedelta(minutes=10)
SKIP = timedelta(hours=8)
WAITING_CAP = 10_000
_LEASING = 1  # Names the advisory lock under which images of a project are handed out on PostgreSQL.


@dataclass(frozen=True, slots=True)
class QueueImage:
    """An image to label, with what its screen shows."""

    id: int
    label_version: int
    rotation: int
    width: int | None
    height: int | None
    file_name: str
    state: str
    quality: str | None
    is_small_subject: bool


@dataclass(frozen=True, slots=True)
class Handed:
    """Images handed out, by which policy each was chosen, and whether looking again may find more at once."""

    images: list[QueueImage]
    chosen_by: dict[int, Policy]
    may_be_more: bool = False


def next_images(
    session: Session,
    *,
    project_id: int,
    user_id: int,
    count: int = 10,
    mix: Mix | None = None,
    given: int = 0,
    have: Sequence[int] = (),
) -> Handed:
    """Lease the next images to a labeller for LEASE, beside those in hand (`have`), whose leases are renewed.

    What waits is in the pool, not judged "not good", and stands for its duplicate group. `given` is how many the
    labeller got of this mix before, so that shares come out exactly. Where a mix orders the whole pool, what no policy
    ranks (nothing has a prediction, say) comes last, the newest first. Needs a write session.
    """
    mix = mix or Mix()
    _renew(session, user_id, have)
    if not is_sqlite(session):
        session.execute(select(func.pg_advisory_xact_lock(cast(_LEASING, Integer), cast(project_id, Integer))))
    chosen_by, may_be_more = _choose(session, project_id, user_id, mix.turns(given, count), have, count)
    if mix.takes_all and len(chosen_by) < count and not may_be_more:
        rest = Part(Policy.NEWEST)
        lacking = count - len(chosen_by)
        found, _ = _of_part(session, project_id, user_id, rest, lacking, [*have, *chosen_by])
        chosen_by |= dict.fromkeys(found, Policy.NEWEST)
    _take(session, user_id, list(chosen_by), until=now() + LEASE, is_skipped=False)
    return Handed(shown(session, project_id, list(chosen_by)), chosen_by, may_be_more)


def shown(session: Session, project_id: int, image_ids: Sequence[int]) -> list[QueueImage]:
    """Images of the project as the screen shows them, in the given order; quarantined and removed ones are left out."""
    columns = [getattr(Image, name) for name in QueueImage.__slots__]
    rows = session.execute(
        select(*columns).where(
            Image.id.in_(id_rows(session, list(image_ids))),
            Image.project_id + 0 == project_id,
            Image.state.not_in([ImageState.QUARANTINED, ImageState.REMOVED]),
        )
    )
    by_id = {row.id: QueueImage(*row) for row in rows}
    return [by_id[image_id] for image_id in image_ids if image_id in by_id]


def skip(session: Session, *, project_id: int, user_id: int, image_ids: Sequence[int]) -> None:
    """Put images off for this labeller (for SKIP, or until taken up from elsewhere); others may get them at once."""
    ours = [image.id for image in shown(session, project_id, image_ids)]
    _take(session, user_id, ours, until=now() + SKIP, is_skipped=True)


def hold(
    session: Session, *, project_id: int, user_id: int, image_ids: Sequence[int], have: Sequence[int] = ()
) -> set[int]:
    """Lease chosen images to a labeller, those that wait and are free; returns them. Leases of `have` are renewed.

    Needs a write session.
    """
    _renew(session, user_id, have)
    if not is_sqlite(session):
        session.execute(select(func.pg_advisory_xact_lock(cast(_LEASING, Integer), cast(project_id, Integer))))
    waits = select(Image.id).where(Image.project_id + 0 == project_id, text(IN_QUEUE))
    free = waits.where(Image.id.in_(id_rows(session, list(image_ids))), *_free(user_id, Image.id, []))
    held = list(session.scalars(free))
    _take(session, user_id, held, until=now() + LEASE, is_skipped=False)
    return set(held)


def waiting(session: Session, project_id: int) -> int:
    """How many images wait for a label, counted up to WAITING_CAP."""
    some = select(Image.id).where(Image.project_id == project_id, text(IN_QUEUE)).limit(WAITING_CAP).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def _choose(
    session: Session, project_id: int, user_id: int, turns: Sequence[Part], have: Sequence[int], count: int
) -> tuple[dict[int, Policy], bool]:
    """Images in the order of the turns. Where a policy has too few, the others fill in."""
    chosen_by: dict[int, Policy] = {}
    may_be_more = False
    stock: dict[Part, list[int]] = {}
    for part, wanted in Counter(turns).items():
        held = [*have, *(each for ids in stock.values() for each in ids)]
        stock[part], more = _of_part(session, project_id, user_id, part, wanted, held)
        may_be_more |= more and len(stock[part]) < wanted
    for part in turns:
        if stock[part]:
            chosen_by[stock[part].pop(0)] = part.policy
    for part in stock:
        lacking = count - len(chosen_by)
        if lacking and len(stock) > 1:
            found, _ = _of_part(session, project_id, user_id, part, lacking, [*have, *chosen_by])
            chosen_by |= dict.fromkeys(found, part.policy)
    return chosen_by, may_be_more


def _of_part(
    session: Session, project_id: int, user_id: int, part: Part, count: int, have: Sequence[int]
) -> tuple[list[int], bool]:
    """The first free images of one policy, and whether there may be more."""
    if part.policy not in {Policy.NEWEST, Policy.OLDEST}:
        free = _free(user_id, QueueEntry.image_id, have)
        return next_in_order(session, project_id, part, count=count, free=free)
    order = Image.id if part.policy is Policy.OLDEST else Image.id.desc()
    waits = select(Image.id).where(Image.project_id == project_id, text(IN_QUEUE), *_free(user_id, Image.id, have))
    return list(session.scalars(waits.order_by(order).limit(count))), False


def _free(user_id: int, image_id: InstrumentedAttribute[int], have: Sequence[int]) -> list[ColumnElement[bool]]:
    """Not in hand, not with another labeller, not skipped by this one."""
    held = and_(
        QueueLease.image_id == image_id,
        QueueLease.until > now(),
        or_(
            and_(QueueLease.user_id != user_id, QueueLease.is_skipped.is_(False)),
            and_(QueueLease.user_id == user_id, QueueLease.is_skipped.is_(True)),
        ),
    )
    return [~exists().where(held), *([image_id.not_in(have)] if have else [])]


def _renew(session: Session, user_id: int, have: Iterable[int]) -> None:
    """Lengthen the leases in hand, and sweep this labeller's expired ones away."""
    session.execute(
        update(QueueLease)
        .where(QueueLease.image_id.in_(list(have)), QueueLease.user_id == user_id, QueueLease.is_skipped.is_(False))
        .values(until=now() + LEASE)
    )
    session.execute(delete(QueueLease).where(QueueLease.user_id == user_id, QueueLease.until <= now()))


def _take(session: Session, user_id: int, image_ids: list[int], **values: Any) -> None:
    """Insert or take over leases: own ones, expired ones and those that another skipped."""
    if not image_ids:
        return
    dialect = sqlite if is_sqlite(session) else postgresql
    rows = [{"image_id": image_id, "user_id": user_id, **values} for image_id in sorted(image_ids)]
    statement = dialect.insert(QueueLease).values(rows)
    is_free = or_(QueueLease.user_id == user_id, QueueLease.until <= now(), QueueLease.is_skipped)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[QueueLease.image_id], set_={"user_id": user_id, **values}, where=is_free
        )
    )
