"""What the people of a project do: images by day, counts by kind, pace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.clock import now
from app.core.errors import NotFound
from app.core.texts import tr
from app.labelling.models import LabelAction
from app.labelling.own_day import SETTLING
from app.projects.models import Member

DAYS = 30


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody of the project, with what they labelled or judged in the last DAYS days."""

    id: int
    name: str
    role: str | None
    images: int
    acts: int
    last_at: datetime | None


def person(session: Session, project_id: int, user_id: int) -> tuple[str, str | None]:
    """Name and role of a member, or of a former one who left acts here. Raises NotFound."""
    of_project = (Member.project_id == project_id) & (Member.user_id == User.id)
    found = session.execute(
        select(User.name, Member.role).outerjoin(Member, of_project).where(User.id == user_id)
    ).one_or_none()
    acted = select(LabelAction.id).where(LabelAction.project_id == project_id, LabelAction.user_id == user_id).limit(1)
    if found is None or (found.role is None and session.scalar(acted) is None):
        raise NotFound(tr("nobody of this project has the number %(id)s", id=user_id))
    return found.name, found.role


def by_day(session: Session, project_id: int, user_id: int, *, days: int = DAYS) -> list[tuple[date, int]]:
    """Images that somebody labelled or judged on each of the last days, today last; undone acts not counted."""
    today = now().date()
    day = func.date(LabelAction.created_at)
    rows = session.execute(
        select(day, func.sum(LabelAction.images))
        .where(LabelAction.project_id == project_id, LabelAction.user_id == user_id)
        .where(LabelAction.created_at >= _since(days), *_counted())
        .group_by(day)
    )
    found = {str(each): int(images) for each, images in rows}
    wanted = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    return [(each, found.get(each.isoformat(), 0)) for each in wanted]


def people(session: Session, project_id: int) -> Sequence[PersonRow]:
    """The members of a project with what they did in the last DAYS days, the busiest first."""
    acts = (
        select(
            LabelAction.user_id,
            func.sum(LabelAction.images).label("images"),
            func.count().label("acts"),
            func.max(LabelAction.created_at).label("last_at"),
        )
        .where(LabelAction.project_id == project_id, LabelAction.created_at >= _since(DAYS), *_counted())
        .group_by(LabelAction.user_id)
        .subquery()
    )
    rows = session.execute(
        select(User.id, User.name, Member.role, acts.c.images, acts.c.acts, acts.c.last_at)
        .join(Member, Member.user_id == User.id)
        .outerjoin(acts, acts.c.user_id == User.id)
        .where(Member.project_id == project_id)
        .order_by(func.coalesce(acts.c.images, 0).desc(), User.name)
    )
    return [
        PersonRow(user_id, name, role, int(images or 0), int(count or 0), last_at)
        for user_id, name, role, images, count, last_at in rows
    ]


def _since(days: int) -> datetime:
    return now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)


def _counted() -> tuple[ColumnElement[bool], ...]:
    return LabelAction.kind.in_(SETTLING), LabelAction.undone_by_action_id.is_(None)
