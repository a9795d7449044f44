"""Saved views: filters with a name that a team shares, and that training, identification and export take as input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.clock import now
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.texts import tr
from app.library.filters import ImageFilter
from app.library.models import SavedView

LONGEST_NAME: Final = 80
MOST_VIEWS: Final = 500
SIZES: Final = ("s", "m", "l", "xl")
_DELETED_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class View:
    """A saved view. `query` is its filter as text; `size` that of the thumbnails, None where none was kept."""

    id: int
    name: str
    query: str
    size: str | None
    made_by: str | None
    changed_at: datetime
    is_deleted: bool

    @property
    def filter(self) -> ImageFilter:
        """Its filter. Raises InvalidInput where a field of it is gone."""
        return ImageFilter.stored(self.query)

    @property
    def address(self) -> str:
        """What stands behind the ? of the library's address to show it."""
        more = [self.query, f"size={self.size}" if self.size else ""]
        return "&".join(part for part in more if part)


def get_view(session: Session, view_id: int, project_id: int) -> View:
    """A view of this project. Raises NotFound, also for a deleted one."""
    return _one(session, project_id, SavedView.id == view_id, f"number {view_id}")


def view_named(session: Session, name: str, project_id: int) -> View:
    """The project's view of this name. Raises NotFound."""
    return _one(session, project_id, SavedView.name == tidy_name(name), repr(name[:LONGEST_NAME]))


def _one(session: Session, project_id: int, which: ColumnElement[bool], said: str) -> View:
    query = _views(project_id).where(which, SavedView.deleted_at.is_(None))
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound(tr("there is no saved view %(view)s in this project", view=said))
    return _view(row[0], row[1])


def list_views(session: Session, project_id: int) -> list[View]:
    """The views of a project, by name."""
    query = _views(project_id).where(SavedView.deleted_at.is_(None)).order_by(SavedView.name, SavedView.id)
    return [_view(saved, name) for saved, name in session.execute(query)]


def deleted_views(session: Session, project_id: int) -> list[View]:
    """What can be brought back, last deleted first."""
    query = _views(project_id).where(SavedView.deleted_at.is_not(None))
    rows = session.execute(query.order_by(SavedView.deleted_at.desc(), SavedView.id.desc()).limit(_DELETED_SHOWN))
    return [_view(saved, name) for saved, name in rows]


def _views(project_id: int) -> Select[SavedView, str | None]:
    query = select(SavedView, User.name).outerjoin(User, User.id == SavedView.created_by)
    return query.where(SavedView.project_id == project_id)


def _view(saved: SavedView, made_by: str | None) -> View:
    is_deleted = saved.deleted_at is not None
    return View(saved.id, saved.name, saved.query, saved.size, made_by, saved.changed_at, is_deleted)


def tidy_name(name: str) -> str:
    """A view's name as it is kept. Raises InvalidInput where nothing visible is left, or too much."""
    tidy = " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())
    if not 1 <= len(tidy) <= LONGEST_NAME:
        raise InvalidInput(tr("a view's name has 1 to %(most)s characters", most=LONGEST_NAME))
    return tidy


def save_view(
    session: Session, *, project_id: int, name: str, chosen: ImageFilter, size: str | None, user_id: int | None
) -> View:
    """Keep a filter under a name; the view that already has the name takes the new filter. Raises InvalidInput."""
    tidy = tidy_name(name)
    at = now()
    values = {"query": chosen.query_string(), "size": size if size in SIZES else None, "changed_at": at}
    present = (SavedView.project_id == project_id, SavedView.name == tidy, SavedView.deleted_at.is_(None))
    saved_id = session.scalar(update(SavedView).where(*present).values(**values).returning(SavedView.id))
    if saved_id is None:
        kept = select(func.count()).select_from(SavedView).where(SavedView.project_id == project_id)
        if (session.scalar(kept) or 0) >= MOST_VIEWS:
            raise InvalidInput(tr("a project has at most %(most)s saved views", most=MOST_VIEWS))
        saved = SavedView(project_id=project_id, name=tidy, created_by=user_id, created_at=at, **values)
        _insert(session, saved, tidy)
        saved_id = saved.id
    return get_view(session, saved_id, project_id)


def rename_view(session: Session, view_id: int, name: str, *, project_id: int) -> View:
    """Give a view another name. Raises InvalidInput, NotFound, Conflict where another view has the name."""
    tidy = tidy_name(name)
    get_view(session, view_id, project_id)
    _require_free(session, project_id, tidy, besides=view_id)
    session.execute(update(SavedView).where(SavedView.id == view_id).values(name=tidy, changed_at=now()))
    return get_view(session, view_id, project_id)


def delete_view(session: Session, view_id: int, *, project_id: int) -> View:
    """Take a view from the list; `restore_view` brings it back. Raises NotFound."""
    view = get_view(session, view_id, project_id)
    session.execute(update(SavedView).where(SavedView.id == view_id).values(deleted_at=now()))
    return view


def restore_view(session: Session, view_id: int, *, project_id: int) -> View:
    """Bring a deleted view back. Raises NotFound, Conflict where another view has its name by now."""
    saved = session.scalar(
        select(SavedView).where(
            SavedView.id == view_id, SavedView.project_id == project_id, SavedView.deleted_at.is_not(None)
        )
    )
    if saved is None:
        raise NotFound(tr("there is no deleted view %(view)s in this project", view=view_id))
    _require_free(session, project_id, saved.name, besides=view_id)
    session.execute(update(SavedView).where(SavedView.id == view_id).values(deleted_at=None))
    return get_view(session, view_id, project_id)


def _require_free(session: Session, project_id: int, name: str, *, besides: int) -> None:
    taken: Sequence[int] = session.scalars(
        select(SavedView.id).where(
            SavedView.project_id == project_id,
            SavedView.name == name,
            SavedView.deleted_at.is_(None),
            SavedView.id != besides,
        )
    ).all()
    if taken:
        raise Conflict(tr("another view has the name %(name)s", name=name))


def _insert(session: Session, saved: SavedView, name: str) -> None:
    try:
        with session.begin_nested():
            session.add(saved)
            session.flush()
    except IntegrityError as error:
        raise Conflict(tr("another view has the name %(name)s", name=name)) from error
