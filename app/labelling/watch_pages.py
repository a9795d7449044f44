"""What somebody is told of a project: following it, and the classes they watch."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.core.database import read, write
from app.core.texts import tr
from app.labelling import watching
from app.projects.notices import is_following
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter()
Viewer = Annotated[Access, Depends(require("viewer"))]
ClassId = Annotated[int, Path(ge=1, le=2**62)]


class WatchForm(BaseModel):
    """The name of a class to watch."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = Field(min_length=1, max_length=120)


@router.get("/watching")
def watching_page(request: Request, access: Viewer) -> Response:
    """What one is told of this project, and what one may ask to be told."""
    with read() as session:
        watched = watching.watched_classes(session, access.project.id, access.user_id)
        follows = is_following(session, access.project.id, access.user_id)
        names = watching.class_names(session, access.project.id)
    return render(request, "labelling/watching.html", watched=watched, follows=follows, names=names)


@router.post("/watching")
def watch_by_name(access: Viewer, form: FormFields) -> Response:
    """Watch the class of that name."""
    access.refuse_archived()
    sent = parsed(WatchForm, form)
    with write() as session:
        found = watching.watch_by_name(session, project_id=access.project.id, name=sent.name, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/watching", _watched(found.name))


@router.post("/classes/{class_id}/watch")
def watch(access: Viewer, class_id: ClassId) -> Response:
    """Watch a class."""
    access.refuse_archived()
    with write() as session:
        found = watching.watch(session, project_id=access.project.id, class_id=class_id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/classes/{class_id}", _watched(found.name))


@router.post("/classes/{class_id}/unwatch")
def unwatch(access: Viewer, class_id: ClassId, form: FormFields) -> Response:
    """Watch it no more; the form says whether the page is that of the class or the list."""
    access.refuse_archived()
    back = "watching" if form.get("at") == "watching" else f"classes/{class_id}"
    with write() as session:
        found = watching.unwatch(session, project_id=access.project.id, class_id=class_id, user_id=access.user_id)
    words = tr("You are told no more of new images for %(name)s.", name=found.name)
    return redirect(f"/projects/{access.project.slug}/{back}", words)


def _watched(name: str) -> str:
    return tr("You are told when new images are found for %(name)s.", name=name)
