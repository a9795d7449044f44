"""Saved views by the name that people type."""

from __future__ import annotations

from app.assembly import fields as _filter_fields  # noqa: F401 - filters know every domain's fields by it
from app.core.database import read
from app.library.views import View, view_named


def view_of(project_id: int, name: str) -> View:
    """The project's view of this name. Raises NotFound; InvalidInput where its filter cannot be read any more."""
    with read() as session:
        view = view_named(session, name, project_id)
    _ = view.filter
    return view
