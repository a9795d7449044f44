"""Reading transactions: pages of them, the queue of those to grade, what filters offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Select, exists, func, literal, select, tuple_
from sqlalchemy.orm import Session, aliased
from ulid import ULID

from app.accounts.models import User
from app.labelling.models import LabelClass
from app.library.models import Image
from app.registry.models import Deployment, ModelVersion
from app.serving.models import Grade, Transaction
from app.serving.schemas import Choice, TransactionFilter, draw_of

PAGE: Final = 50
COUNT_CAP: Final = 10_000
MOST_CLIENTS: Final = 200


@dataclass(frozen=True, slots=True)
class TransactionLine:
    """A transaction as pages show it. `rotation` is that of its image in the library, if it was kept."""

    id: str
    at: datetime
    client: str
    version_number: int
    decision: str
    choices: tuple[Choice, ...]
    latency_ms: float
    image_id: int | None
    rotation: int
    verdict: str | None
    true_class: str | None
    graded_by: str | None

    @property
    def best(self) -> Choice:
        """The best class, whatever was answered."""
        return self.choices[0]


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """Some transactions, newest first. `newer` and `older` are the ids to page on from, None at the ends."""

    lines: Sequence[TransactionLine]
    newer: str | None
    older: str | None


def _at_of(transaction_id: str) -> datetime:
    moment: datetime = ULID.from_str(transaction_id).datetime
    return moment.astimezone(UTC)


def _lines(session: Session, statement: Select[Any]) -> list[TransactionLine]:
    columns = (ModelVersion.number, Image.rotation, Grade.verdict, LabelClass.name, User.name)
    query = (
        statement.add_columns(*columns)
        .join(ModelVersion, ModelVersion.id == Transaction.version_id)
        .outerjoin(Image, Image.id == Transaction.image_id)
        .outerjoin(Grade, Grade.transaction_id == Transaction.id)
        .outerjoin(LabelClass, LabelClass.id == Grade.true_class_id)
        .outerjoin(User, User.id == Grade.user_id)
    )
    return [
        TransactionLine(
            id=row.id,
            at=row.at,
            client=row.client,
            version_number=number,
            decision=row.decision,
            choices=tuple(Choice(**choice) for choice in row.answer["choices"]),
            latency_ms=row.latency_ms,
            image_id=row.image_id,
            rotation=rotation or 0,
            verdict=verdict,
            true_class=true_class,
            graded_by=graded_by,
        )
        for row, number, rotation, verdict, true_class, graded_by in session.execute(query)
    ]


def _filtered(project_id: int, chosen: TransactionFilter) -> Select[Transaction]:
    query = select(Transaction).where(Transaction.project_id == project_id)
    if chosen.decision is not None:
        query = query.where(Transaction.decision == chosen.decision)
    if chosen.client is not None:
        query = query.where(Transaction.client == chosen.client)
    if chosen.version is not None:
        named = aliased(ModelVersion)
        of_number = select(named.id).where(named.project_id == project_id, named.number == chosen.version)
        query = query.where(Transaction.version_id == of_number.scalar_subquery())
    if chosen.graded == "no":
        return query.where(Transaction.graded_at.is_(None))
    if chosen.graded is not None:
        query = query.where(Transaction.graded_at.is_not(None))
    if chosen.graded not in (None, "yes"):
        given = aliased(Grade)
        query = query.where(exists().where(given.transaction_id == Transaction.id, given.verdict == chosen.graded))
    return query


def page(
    session: Session,
    project_id: int,
    chosen: TransactionFilter,
    *,
    before: str | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> TransactionPage:
    """Transactions that match: the newest, or those next older than `before`, or those next newer than `after`."""
    key = tuple_(Transaction.at, Transaction.id)
    query = _filtered(project_id, chosen)
    if after is not None:
        query = query.where(key > (_at_of(after), after)).order_by(Transaction.at, Transaction.id)
    else:
        query = query.order_by(Transaction.at.desc(), Transaction.id.desc())
        if before is not None:
            query = query.where(key < (_at_of(before), before))
    found = _lines(session, query.limit(limit + 1))
    has_more = len(found) > limit
    lines = found[:limit][::-1] if after is not None else found[:limit]
    if not lines:
        return TransactionPage(lines, None, None)
    has_newer = has_more if after is not None else before is not None
    has_older = True if after is not None else has_more
    return TransactionPage(lines, lines[0].id if has_newer else None, lines[-1].id if has_older else None)


def count(session: Session, project_id: int, chosen: TransactionFilter, *, cap: int = COUNT_CAP) -> str:
    """How many transactions match, for people: "412", or "10,000+" above a cap."""
    some = _filtered(project_id, chosen).with_only_columns(Transaction.id).limit(cap + 1).subquery()
    found = session.scalar(select(func.count()).select_from(some)) or 0
    return f"{min(found, cap):,}{'+' if found > cap else ''}"


def _to_grade(project_id: int) -> Select[Transaction]:
    waiting = (Transaction.graded_at.is_(None), Transaction.image_id.is_not(None))
    return select(Transaction).where(Transaction.project_id == project_id, *waiting)


def to_grade(session: Session, project_id: int, *, after: str | None = None, limit: int = 6) -> list[TransactionLine]:
    """The next transactions to grade, in random order, which is the same for everybody; those that kept their image."""
    query = _to_grade(project_id)
    if after is not None:
        query = query.where(tuple_(Transaction.draw, Transaction.id) > (draw_of(after), after))
    return _lines(session, query.order_by(Transaction.draw, Transaction.id).limit(limit))


def waiting_for_grade(session: Session, project_id: int, *, cap: int = 1_000) -> int:
    """How many transactions could be graded, counted up to `cap`."""
    some = _to_grade(project_id).with_only_columns(Transaction.id).limit(cap).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def line(session: Session, transaction_id: str, project_id: int) -> TransactionLine | None:
    """One transaction as pages show it."""
    query = select(Transaction).where(Transaction.id == transaction_id, Transaction.project_id == project_id)
    return next(iter(_lines(session, query)), None)


def clients(session: Session, project_id: int) -> list[str]:
    """The names of the clients that ever asked, by name: one step of the index for each, however many requests."""
    first = select(func.min(Transaction.client)).where(Transaction.project_id == project_id).scalar_subquery()
    found = select(first.label("client"), literal(1).label("place")).cte("found", recursive=True)
    following = (
        select(func.min(Transaction.client))
        .where(Transaction.project_id == project_id, Transaction.client > found.c.client)
        .scalar_subquery()
    )
    more = select(following, found.c.place + 1).where(found.c.client.is_not(None), found.c.place < MOST_CLIENTS)
    steps = found.union_all(more)
    return [client for client in session.scalars(select(steps.c.client)) if client is not None]


def deployed_versions(session: Session, project_id: int) -> list[int]:
    """The numbers of the versions that were ever in production, newest first."""
    query = (
        select(ModelVersion.number)
        .where(ModelVersion.id.in_(select(Deployment.version_id).where(Deployment.project_id == project_id)))
        .order_by(ModelVersion.number.desc())
    )
    return list(session.scalars(query))
