"""Saved views of results: the library's saved views that go by an identification, so that everything takes them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.core.errors import InvalidInput
from app.identification.fields import NAME, from_library, to_library
from app.identification.result_filter import ResultFilter
from app.library.views import View, list_views, save_view


@dataclass(frozen=True, slots=True)
class ResultsView:
    """A saved view with the job and the filter of the results that it shows."""

    view: View
    job_id: int
    wanted: ResultFilter

    def address(self, base: str) -> str:
        """Of the results page, for the project's base address."""
        return f"{base}/identify/{self.job_id}?{self.wanted.to_query()}"


def results_views(session: Session, project_id: int) -> list[ResultsView]:
    """The project's saved views that go by an identification, by name; one that has become invalid is left out."""
    found = []
    for view in list_views(session, project_id):
        if f"{NAME}=" not in view.query:
            continue
        try:
            meant = from_library(view.filter)
        except InvalidInput:
            continue
        if meant is not None:
            found.append(ResultsView(view, *meant))
    return found


def save_results_view(
    session: Session, *, project_id: int, name: str, job_id: int, wanted: ResultFilter, user_id: int
) -> View:
    """Keep a filter of results under a name that the team shares. Raises InvalidInput.

    What is sought by likeness changes with every image that arrives, so it is not kept.
    """
    if wanted.like:
        raise InvalidInput("results by likeness cannot be saved: take the filter by likeness away first")
    chosen = to_library(job_id, wanted)
    return save_view(session, project_id=project_id, name=name, chosen=chosen, size=None, user_id=user_id)
