"""Pages of studies: the list, the form, one study as it goes on, and what one may ask of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput
from app.datasets.queries import snapshot_list
from app.registry.queries import newest_versions
from app.registry.trunks import TRUNKS
from app.studies import service
from app.studies.forms import to_request
from app.studies.queries import list_studies
from app.studies.report import study_report
from app.studies.schemas import OBJECTIVES, SEARCHABLE, shown
from app.training.queries import defaults_for
from app.training.schemas import START_TITLES
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/studies", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
StudyId = Annotated[int, Path(ge=1, le=2**62)]
_SNAPSHOTS = 20


@router.get("")
def studies_page(request: Request, access: Viewer) -> Response:
    """Studies of the project, the newest first."""
    with read() as session:
        studies = list_studies(session, access.project.id)
    return render(request, "studies/studies.html", active="runs", studies=studies, objectives=OBJECTIVES)


@router.get("/new")
def new_study_page(request: Request, access: Engineer) -> Response:
    """What to search, with proposals."""
    return _form(request, access, dict(request.query_params))


@router.post("")
def begin(request: Request, access: Engineer, form: FormFields) -> Response:
    """Begin it, or say what stands in its way with the form as it was filled in."""
    try:
        study_id = service.begin_study(to_request(form), project_id=access.project.id, user_id=access.user_id)
    except (InvalidInput, Conflict) as refused:
        return _form(request, access, {name: str(value) for name, value in form.items()} | {"sent": "true"}, refused)
    return redirect(f"/projects/{access.project.slug}/studies/{study_id}", "The study begins.")


@router.get("/{study_id}")
def study_page(request: Request, access: Viewer, study_id: StudyId) -> Response:
    """One study: how far it is, the best so far, what mattered, every trial."""
    return _shown(request, access, study_id, "studies/study.html")


@router.get("/{study_id}/progress")
def progress_part(request: Request, access: Viewer, study_id: StudyId) -> Response:
    """The changing part alone."""
    return _shown(request, access, study_id, "studies/_study.html")


@router.post("/{study_id}/pause")
def pause(access: Engineer, study_id: StudyId) -> Response:
    """Start no new trial for now."""
    with write() as session:
        service.pause_study(session, study_id, access.project.id)
    return _back(access, study_id, "No new trial starts; those under way go on.")


@router.post("/{study_id}/go-on")
def go_on(access: Engineer, study_id: StudyId) -> Response:
    """Let a paused study go on."""
    with write() as session:
        service.go_on(session, study_id, access.project.id)
    return _back(access, study_id, "The study goes on.")


@router.post("/{study_id}/end")
def end(access: Engineer, study_id: StudyId) -> Response:
    """End it with what was found."""
    with write() as session:
        service.end_study(session, study_id, access.project.id)
    return _back(access, study_id, "The study ends once its trials under way have ended.")


def _back(access: Access, study_id: int, words: str) -> Response:
    return redirect(f"/projects/{access.project.slug}/studies/{study_id}", words)


def _shown(request: Request, access: Access, study_id: int, template: str) -> Response:
    with read() as session:
        report = study_report(session, study_id, access.project.id)
    context: dict[str, Any] = {"report": report, "objectives": OBJECTIVES, "starts": START_TITLES, "shown": shown}
    return render(request, template, active="runs", **context)


def _form(
    request: Request, access: Access, values: dict[str, str], refused: InvalidInput | Conflict | None = None
) -> Response:
    with read() as session:
        proposed = defaults_for(session, access.project.id)
        versions = newest_versions(session, access.project.id, throwaway=False)
        snapshots = snapshot_list(session, access.project.id, limit=_SNAPSHOTS)
    status = {True: 409, False: 422}[isinstance(refused, Conflict)] if refused else 200
    return render(
        request,
        "studies/new.html",
        http_status=status,
        active="runs",
        values=values,
        refused=refused,
        proposed=proposed,
        versions=versions,
        snapshots=snapshots,
        trunks=TRUNKS.values(),
        searchable=SEARCHABLE.values(),
        objectives=OBJECTIVES,
        starts=START_TITLES,
        sizes=sorted({size for kind in TRUNKS.values() for size in kind.allowed_input_sizes}),
    )
