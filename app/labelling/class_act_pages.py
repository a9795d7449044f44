"""Acts on whole classes: merged for good or for a while, parted, split, deleted, archived, brought back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.responses import JSONResponse, Response

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.core.texts import tr
from app.labelling import class_merge, class_parts, class_words, classes
from app.labelling.class_forms import DeleteForm, MergeForm, SplitRequest, TrainAsForm
from app.labelling.words import result_words
from app.library.selection import resolve
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect

router = APIRouter(prefix="/classes")
Reviewer = Annotated[Access, Depends(require("reviewer"))]
ClassId = Annotated[int, Path(ge=1, le=2**62)]


@router.post("/split")
def split_off(access: Reviewer, sent: SplitRequest) -> Response:
    """Make a class of some images, as one action; for grids."""
    with read() as session:
        image_ids = resolve(session, access.project.id, sent.chosen())
    if not image_ids:
        raise InvalidInput(tr("no image is chosen"))
    with write() as session:
        made, result = class_parts.split_off(
            session,
            project_id=access.project.id,
            name=sent.name,
            image_ids=image_ids,
            user_id=access.user_id,
            versions=sent.versions,
            request_key=sent.request_key,
        )
    undo_url = f"/projects/{access.project.slug}/actions/{result.action_id}/undo"
    said = {"id": made.id, "name": made.name, "changed": result.changed, "action_id": result.action_id}
    return JSONResponse({**said, "skipped_count": result.skipped_count, "undo_url": undo_url}, status_code=201)


@router.post("/{class_id}/merge")
def merge(access: Reviewer, class_id: ClassId, form: FormFields) -> Response:
    """Merge this class into another."""
    sent = parsed(MergeForm, form)
    with write() as session:
        result = class_merge.merge_classes(
            session,
            project_id=access.project.id,
            source_id=class_id,
            target_id=sent.target_id,
            user_id=access.user_id,
            keep_as_sub_class=sent.keep_as_sub_class,
        )
        source = classes.get_class(session, project_id=access.project.id, class_id=class_id)
        target = classes.get_class(session, project_id=access.project.id, class_id=sent.target_id)
    return redirect(_page(access, target.id), class_words.merged_words(source, target, result))


@router.post("/{class_id}/train-as")
def train_as(access: Reviewer, class_id: ClassId, form: FormFields) -> Response:
    """Merge this class with another for a while."""
    sent = parsed(TrainAsForm, form)
    with write() as session:
        class_merge.train_as(
            session, project_id=access.project.id, class_id=class_id, as_id=sent.as_id, user_id=access.user_id
        )
    return redirect(_page(access, class_id), tr("Trained as one until they are parted; every label stays."))


@router.post("/{class_id}/part")
def part(access: Reviewer, class_id: ClassId) -> Response:
    """End a merge for a while."""
    with write() as session:
        class_merge.part(session, project_id=access.project.id, class_id=class_id, user_id=access.user_id)
    return redirect(_page(access, class_id), tr("Parted: trained apart from the next data set on."))


@router.post("/{class_id}/split")
def split(access: Reviewer, class_id: ClassId, form: FormFields) -> Response:
    """Make classes of the sub-classes that are ticked: fields `split-7` hold the new class's name."""
    ticked = {str(each) for each in form.getlist("sub_class_id")}
    try:
        names = {int(each): str(form[f"name-{each}"]) for each in ticked}
    except (KeyError, ValueError) as error:
        raise InvalidInput(tr("each sub-class to split off needs a name")) from error
    with write() as session:
        result = class_parts.split_by_sub_class(
            session, project_id=access.project.id, class_id=class_id, names=names, user_id=access.user_id
        )
    return redirect(_page(access, class_id), result_words(result, tr("moved to classes of their own")))


@router.post("/{class_id}/delete")
def delete(access: Reviewer, class_id: ClassId, form: FormFields) -> Response:
    """Delete a class; its images go where the form says."""
    sent = parsed(DeleteForm, form)
    with write() as session:
        name = classes.get_class(session, project_id=access.project.id, class_id=class_id).name
        result = class_parts.delete_class(
            session,
            project_id=access.project.id,
            class_id=class_id,
            labels_go=sent.labels_go,
            target_id=sent.target_id if sent.labels_go is class_parts.LabelsGo.CLASS else None,
            user_id=access.user_id,
        )
    words = tr("Deleted %(name)s; History can undo it.", name=name)
    return redirect(f"/projects/{access.project.slug}/classes", f"{words} {result_words(result, tr('changed'))}")


@router.post("/{class_id}/archive")
def archive(access: Reviewer, class_id: ClassId) -> Response:
    """Put a class without images out of use."""
    with write() as session:
        classes.archive_class(session, project_id=access.project.id, class_id=class_id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/classes", tr("Archived."))


@router.post("/{class_id}/bring-back")
def bring_back(access: Reviewer, class_id: ClassId) -> Response:
    """Put an archived class into use again."""
    with write() as session:
        classes.bring_back_class(session, project_id=access.project.id, class_id=class_id, user_id=access.user_id)
    return redirect(_page(access, class_id), tr("In use again."))


def _page(access: Access, class_id: int) -> str:
    return f"/projects/{access.project.slug}/classes/{class_id}"
