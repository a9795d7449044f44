"""The page that shows what augmentation does to the project's own images before a run spends time on them."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field
from starlette.responses import FileResponse, JSONResponse, Response

from app.core.database import read, write
from app.datasets.queries import class_names
from app.imaging.renditions import MEDIA_TYPE
from app.runs.queries import open_runs
from app.training import previews
from app.training.fit_settings import Augmentation, GivenAugmentation
from app.training.mirror_evidence import all_mirror_doubts, newest_comparison, request_comparison
from app.training.setting_fields import setting_groups
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import wants_json
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/training/augmentation", include_in_schema=False)
Engineer = Annotated[Access, Depends(require("engineer"))]
RunId = Annotated[int, Path(ge=1, le=2**62)]
ImageId = Annotated[int, Path(ge=1, le=2**62)]
Draw = Annotated[int, Path(ge=0, le=previews.DRAWS)]
Chosen = Annotated[int | None, Query(ge=1, le=2**62)]
_CHANGES: Final = frozenset(Augmentation.model_fields)
_MIXES: Final = ("mixup", "cutmix")


class PreviewForm(GivenAugmentation):
    """What the page sends: an empty field takes its default, a switch that is not sent is off."""

    flip: bool = False
    zoom_out: bool = False
    mixup: float | None = Field(None, ge=0, le=2)
    cutmix: float | None = Field(None, ge=0, le=2)
    class_id: int | None = Field(None, ge=1, le=2**62)
    seed: int = Field(0, ge=0, le=2**31 - 1)

    def to_request(self) -> previews.PreviewRequest:
        """The request that the form stands for."""
        chosen = self.model_dump(include=set(_CHANGES), exclude_none=True)
        return previews.PreviewRequest(
            augmentation=Augmentation(**chosen),
            mixup=self.mixup or 0.0,
            cutmix=self.cutmix or 0.0,
            class_id=self.class_id,
            seed=self.seed,
        )


@router.get("")
def augmentation_page(request: Request, access: Engineer, run: Chosen = None) -> Response:
    """The settings with the preview that the address names, if it names one."""
    with read() as session:
        shown = previews.get_preview(session, run, access.project.id) if run else None
        classes = class_names(session, access.project.id)
        doubts = all_mirror_doubts(session, access.project.id, classes)
        compared = newest_comparison(session, access.project.id)
        compared_id, is_compared = (compared.id, compared.finished_at is not None) if compared else (None, False)
    asked = previews.PreviewRequest.model_validate(
        {name: shown.parameters[name] for name in previews.PreviewRequest.model_fields if name in shown.parameters}
        if shown
        else {"augmentation": Augmentation(no_flip=tuple(doubt.class_id for doubt in doubts))}
    )
    fields = [each for _, members in setting_groups() for each in members if each.name in {*_CHANGES, *_MIXES}]
    return render(
        request,
        "training/augmentation.html",
        active="runs",
        fields=fields,
        classes=sorted(classes.items(), key=lambda each: each[1].casefold()),
        asked=asked,
        doubts=doubts,
        compared_id=compared_id,
        is_compared=is_compared,
        values={name: _word(value) for name, value in _values(asked).items()},
        unflipped={str(class_id) for class_id in asked.augmentation.no_flip},
        **_shown(access, shown.id if shown else None),
    )


@router.post("")
def start_preview(request: Request, access: Engineer, form: FormFields) -> Response:
    """Ask for a preview: its page for a browser, its run's id for a script."""
    asked = parsed(PreviewForm, form).to_request()
    with write() as session:
        run_id = previews.request_preview(session, project_id=access.project.id, user_id=access.user_id, request=asked)
    if wants_json(request):
        return JSONResponse({"run_id": run_id})
    return redirect(f"/projects/{access.project.slug}/training/augmentation?run={run_id}")


@router.post("/mirrored")
def compare_mirrored(access: Engineer) -> Response:
    """Have a few images of each class compared with their mirror images; the run's page."""
    with write() as session:
        run_id = request_comparison(session, project_id=access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}")


@router.get("/{run_id}")
def preview_part(request: Request, access: Engineer, run_id: RunId) -> Response:
    """The pictures of a preview, or how far it is."""
    return render(request, "training/_augmented.html", **_shown(access, run_id))


@router.get("/{run_id}/{image_id}/{draw}/picture")
def preview_picture(access: Engineer, run_id: RunId, image_id: ImageId, draw: Draw) -> Response:
    """One picture of a preview, as we encoded it."""
    with read() as session:
        path = previews.preview_file(session, run_id, access.project.id, image_id=image_id, draw=draw)
    return FileResponse(path, media_type=MEDIA_TYPE, headers={"Cache-Control": "private, max-age=3600"})


def _shown(access: Access, run_id: int | None) -> dict[str, Any]:
    """The preview's run, what it waits for, and the address that trains with the same changes."""
    if run_id is None:
        return {"preview": None, "before": [], "train_query": ""}
    with read() as session:
        run = previews.get_preview(session, run_id, access.project.id)
        is_first = [each for each in open_runs(session, access.project.id) if each.kind.startswith("training.")]
    mixes = {name: run.parameters[name] for name in _MIXES if run.parameters.get(name)}
    changes = {**run.parameters["augmentation"], **mixes}
    query = urlencode({name: _word(value) for name, value in changes.items()}, doseq=True)
    before = [each for each in is_first if each.id != run_id and each.state == "running"]
    return {"preview": run, "before": before, "train_query": query}


def _values(asked: previews.PreviewRequest) -> dict[str, Any]:
    return {**asked.augmentation.model_dump(exclude={"no_flip"}), **asked.model_dump(include=set(_MIXES))}


def _word(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
