"""Pages of people: one's own work for everybody who labels, others' for reviewers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.accounts.roles import allows
from app.core.clock import now
from app.core.database import read
from app.core.errors import Forbidden
from app.core.texts import tr
from app.labelling import agreement, check_figures, people, quality_checks, queries
from app.labelling.own_day import summary_of
from app.labelling.undo import SHARED_KINDS
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter(prefix="/people")
Labeller = Annotated[Access, Depends(require("labeller"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
UserId = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[int | None, Query(ge=1, le=2**62)]

_ACTIONS: Final = 30
_PACE: Final = timedelta(days=7)


@router.get("")
def people_page(request: Request, access: Reviewer) -> Response:
    """Everybody of the project with what they did lately."""
    with read() as session:
        found = people.people(session, access.project.id)
    return render(request, "labelling/people.html", active="label", here="people", people=found, days=people.DAYS)


@router.get("/{user_id}")
def person_page(request: Request, access: Labeller, user_id: UserId, before: Key = None) -> Response:
    """One person's work: by day, pace, agreement, acts with their undo. Others' needs the role reviewer."""
    if user_id != access.user_id and not allows(access.role, "reviewer"):
        raise Forbidden(tr("another's work is for reviewers; your own is at your own number"))
    project_id = access.project.id
    with read() as session:
        hides = not allows(access.role, "reviewer") and quality_checks.is_on(session, project_id)
        name, role = people.person(session, project_id, user_id)
        found = queries.actions(session, project_id, user_id=user_id, before=before, limit=_ACTIONS)
        context: dict[str, Any] = {
            "by_day": people.by_day(session, project_id, user_id),
            "lately": summary_of(session, project_id, user_id, now() - _PACE, hides_checks=hides),
            "hides_checks": hides,
            "agreement": agreement.report(session, project_id, user_id=user_id),
        }
        if allows(access.role, "reviewer"):
            context["checked"] = next(iter(check_figures.figures(session, project_id, user_id=user_id)), None)
    context |= {"name": name, "their_role": role, "person_id": user_id, "user_id": access.user_id}
    context |= {"actions": found, "before": before, "older": found[-1].id if len(found) == _ACTIONS else None}
    return render(request, "labelling/person.html", active="label", shared=SHARED_KINDS, **context)
