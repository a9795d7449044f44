"""The labelling standard: the fragment that labellers see beside the image, and what a reviewer puts into it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.texts import tr
from app.labelling import class_standard
from app.labelling.class_forms import ExampleForm, LookAlikeForm
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/classes/{class_id}")
Viewer = Annotated[Access, Depends(require("viewer"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
RowId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("/standard")
def standard(request: Request, access: Viewer, class_id: RowId) -> Response:
    """A fragment: note, examples, look-alikes of a class."""
    with read() as session:
        found = class_standard.standard_of(session, project_id=access.project.id, class_id=class_id)
    return render(request, "labelling/_class_standard.html", standard=found)


@router.post("/examples")
def add_examples(access: Reviewer, class_id: RowId, form: FormFields) -> Response:
    """Show images in the standard."""
    sent = parsed(ExampleForm, form)
    with write() as session:
        class_standard.add_examples(
            session,
            project_id=access.project.id,
            class_id=class_id,
            image_ids=sent.image_ids(),
            is_good=sent.kind == "good",
            note=sent.note,
            user_id=access.user_id,
        )
    return _back(access, class_id, tr("Stands in the standard."))


@router.post("/examples/{image_id}/remove")
def remove_example(access: Reviewer, class_id: RowId, image_id: RowId) -> Response:
    """Take an image out of the standard."""
    with write() as session:
        class_standard.remove_example(
            session, project_id=access.project.id, class_id=class_id, image_id=image_id, user_id=access.user_id
        )
    return _back(access, class_id, tr("Out of the standard; the image stays as it is."))


@router.post("/look-alikes")
def set_look_alike(access: Reviewer, class_id: RowId, form: FormFields) -> Response:
    """Say how to tell this class from another."""
    sent = parsed(LookAlikeForm, form)
    with write() as session:
        class_standard.set_look_alike(
            session,
            project_id=access.project.id,
            class_id=class_id,
            other_id=sent.other_id,
            note=sent.note,
            user_id=access.user_id,
        )
    return _back(access, class_id, tr("Stands in both standards."))


@router.post("/look-alikes/{other_class_id}/remove")
def remove_look_alike(access: Reviewer, class_id: RowId, other_class_id: RowId) -> Response:
    """Two classes are not mistaken for each other any more."""
    with write() as session:
        class_standard.remove_look_alike(
            session, project_id=access.project.id, class_id=class_id, other_id=other_class_id, user_id=access.user_id
        )
    return _back(access, class_id, tr("Out of both standards."))


def _back(access: Access, class_id: int, words: str) -> Response:
    return redirect(f"/projects/{access.project.slug}/classes/{class_id}", words)
