"""Pages of training: the form that starts a run, and a training run's own part of its page."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from starlette.datastructures import ImmutableMultiDict
from starlette.responses import Response

from app.core.database import read
from app.core.errors import Conflict, InvalidInput, WinnowError
from app.datasets.queries import class_names
from app.library.views import list_views
from app.registry.queries import newest_versions
from app.registry.trunks import TRUNKS
from app.training import queries
from app.training.again import form_query
from app.training.curves import plateau_epoch
from app.training.detail import run_detail
from app.training.fit_settings import DEFAULT_SETTINGS
from app.training.forms import TrainingForm
from app.training.mirror_evidence import all_mirror_doubts
from app.training.models import TrainingRun
from app.training.report import training_report
from app.training.service import start_training
from app.training.setting_fields import setting_groups, title_of
from app.training.tensorboards import has_log
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
RunId = Annotated[int, Path(ge=1, le=2**62)]

_STATUS = {InvalidInput: 422, Conflict: 409}
_FIELD_OF: Final = {
    "too_few_classes": "lower",
    "class_without_training": "lower",
    "no_parent": "parent_version_id",
    "throwaway_parent": "parent_version_id",
    "no_pretrained_weights": "trunk",
}
"""Where on the form a refusal of the rules belongs, by its code."""
_MOST_PARENTS: Final = 200


@router.get("/train")
def train_page(request: Request, access: Engineer) -> Response:
    """What to train, with defaults that need no thought; an address may fill every field in."""
    return _form(request, access, request.query_params)


@router.post("/train")
def start(request: Request, access: Engineer, form: FormFields) -> Response:
    """Queue the run, or say what stands in its way with the form as it was filled in."""
    try:
        asked = parsed(TrainingForm, form).to_request(project_id=access.project.id, user_id=access.user_id)
        run_id = start_training(asked)
    except (InvalidInput, Conflict) as refused:
        return _form(request, access, form, refused)
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}")


@router.get("/runs/{run_id}/training")
def training_part(request: Request, access: Viewer, run_id: RunId) -> Response:
    """Charts, classes, mistakes, log, settings and outcome of a training run, as its page shows them."""
    with read() as session:
        report = training_report(session, run_id, access.project.id)
        kept = report.best.number if report.run.is_ended and report.best else None
        detail = run_detail(session, run_id, epoch=kept)
        again = form_query(session.get_one(TrainingRun, run_id))
    return render(
        request,
        "training/_training.html",
        report=report,
        detail=detail,
        again=again,
        title_of=title_of,
        plateau=plateau_epoch(report.epochs) if report.run.is_ended else None,
        has_board=has_log(access.project.id, run_id),
    )


def _form(
    request: Request, access: Access, sent: ImmutableMultiDict[str, Any], refused: WinnowError | None = None
) -> Response:
    with read() as session:
        proposed = queries.defaults_for(session, access.project.id)
        versions = newest_versions(session, access.project.id, limit=_MOST_PARENTS, throwaway=False)
        views = list_views(session, access.project.id)
        classes = class_names(session, access.project.id)
        doubts = all_mirror_doubts(session, access.project.id, classes)
    is_fresh = refused is None and not sent.get("sent")
    unflipped = set(sent.getlist("no_flip")) or {str(doubt.class_id) for doubt in doubts if is_fresh}
    return render(
        request,
        "training/train.html",
        http_status=_STATUS.get(type(refused), 422) if refused else 200,
        active="runs",
        proposed=proposed,
        versions=versions,
        views=views,
        values={name: str(value) for name, value in sent.items()},
        is_fresh=is_fresh,
        refused=refused,
        errors=_beside(refused),
        trunks=TRUNKS.values(),
        sizes=sorted({size for kind in TRUNKS.values() for size in kind.allowed_input_sizes}),
        groups=setting_groups(),
        starts=list(DEFAULT_SETTINGS),
        classes=sorted(classes.items(), key=lambda each: each[1].casefold()),
        doubts=doubts,
        unflipped=unflipped,
    )


def _beside(refused: WinnowError | None) -> dict[str, str]:
    """The words that belong beside a field, by the field's name."""
    if refused is None:
        return {}
    told = {str(name).rpartition(".")[2]: str(words) for name, words in dict(refused.detail.get("fields", {})).items()}  # type: ignore[call-overload]  # `detail` holds plain values of any kind
    if field := _FIELD_OF.get(refused.code):
        told[field] = refused.message
    return told
