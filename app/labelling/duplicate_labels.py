"""One label for all images of a duplicate group or proposal: the label of one of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from app.core.database import write
from app.core.errors import InvalidInput
from app.core.texts import tr
from app.labelling.schemas import ActionResult, Id
from app.labelling.service import apply_one_label_to
from app.labelling.words import result_words
from app.library.service import get_image
from app.library.settling import Bundle, members_of
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import wants_json
from app.web.forms import parsed
from app.web.templating import redirect

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Reviewer = Annotated[Access, Depends(require("reviewer"))]
Name = Annotated[str, Path(max_length=40)]


class LabelOfForm(BaseModel):
    """The image whose label all shall carry."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image_ids: list[Id] = Field(min_length=1, max_length=1)


def give_all_the_label_of(
    session: Session, bundle: Bundle, image_id: int, *, project_id: int, user_id: int
) -> ActionResult:
    """Label every image of the bundle as this one is, as a reviewer's act that can be undone.

    Raises InvalidInput for an image that is not in it or carries no label.
    """
    members = members_of(session, bundle, project_id)
    image = get_image(session, image_id, project_id)
    if image_id not in members or image.class_id is None:
        raise InvalidInput(tr("choose the one image whose label is right; it must carry one"))
    return apply_one_label_to(
        session,
        project_id=project_id,
        user_id=user_id,
        image_ids=members,
        class_id=image.class_id,
        sub_class_id=image.sub_class_id,
        how="review",
        kind="settle",
    )


@router.post("/library/duplicates/{bundle}/label")
def label_bundle(request: Request, access: Reviewer, bundle: Name, form: FormFields) -> Response:
    """Give all images of a group or proposal the label of the chosen one."""
    (image_id,) = parsed(LabelOfForm, form).image_ids
    with write() as session:
        result = give_all_the_label_of(
            session, Bundle.named(bundle), image_id, project_id=access.project.id, user_id=access.user_id
        )
    words = result_words(result, "labelled")
    path = f"/projects/{access.project.slug}"
    if wants_json(request):
        return JSONResponse({"words": words, "undo_url": f"{path}/actions/{result.action_id}/undo"})
    return redirect(f"{path}/library/duplicates?show=conflicts", words)
