"""Pages of training: the form that starts a run, and a training run's own part of its page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.core.database import read
from app.core.errors import Conflict, InvalidInput, WinnowError
from app.library.views import list_views
from app.registry.queries import newest_versions
from app.registry.trunks import TRUNKS
from app.training import queries
from app.training.fit_settings import DEFAULT_SETTINGS
from app.training.forms import TrainingForm
from app.training.report import training_report
from app.training.service import start_training
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
RunId = Annotated[int, Path(ge=1, le=2**62)]

_STATUS = {InvalidInput: 422, Conflict: 409}


@router.get("/train")
def train_page(request: Request, access: Engineer) -> Response:
    """What to train, with defaults that need no thought; an address may fill fields in."""
    return _form(request, access, dict(request.query_params))


@router.post("/train")
def start(request: Request, access: Engineer, form: FormFields) -> Response:
    """Queue the run, or say what stands in its way with the form as it was filled in."""
    try:
        asked = parsed(TrainingForm, form).to_request(project_id=access.project.id, user_id=access.user_id)
        run_id = start_training(asked)
    except (InvalidInput, Conflict) as refused:
        sent = {name: str(value) for name, value in form.items()}
        return _form(request, access, {"sent": "true", **sent}, refused)
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}")


@router.get("/runs/{run_id}/training")
def training_part(request: Request, access: Viewer, run_id: RunId) -> Response:
    """Charts, settings and outcome of a training run, as its page shows them."""
    with read() as session:
        report = training_report(session, run_id, access.project.id)
    return render(request, "training/_training.html", report=report)


def _form(request: Request, access: Access, values: dict[str, str], refused: WinnowError | None = None) -> Response:
    with read() as session:
        proposed = queries.defaults_for(session, access.project.id)
        versions = newest_versions(session, access.project.id, throwaway=False)
        views = list_views(session, access.project.id)
    return render(
        request,
        "training/train.html",
        http_status=_STATUS.get(type(refused), 422) if refused else 200,
        active="runs",
        proposed=proposed,
        versions=versions,
        views=views,
        values=values,
        refused=refused,
        trunks=TRUNKS.values(),
        sizes=sorted({size for kind in TRUNKS.values() for size in kind.allowed_input_sizes}),
        settings={start: each.model_dump() for start, each in DEFAULT_SETTINGS.items()},
    )
