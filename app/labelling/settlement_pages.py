"""Settling many label conflicts at once, and taking back what was decided about conflicts and duplicates."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from app.core.database import write
from app.core.texts import tr, tr_n
from app.labelling.conflicts import settle_many, undo_settlement
from app.labelling.schemas import Id
from app.labelling.words import result_words
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import wants_json
from app.web.forms import parsed
from app.web.templating import redirect

router = APIRouter(prefix="/projects/{slug}/library", include_in_schema=False)
Reviewer = Annotated[Access, Depends(require("reviewer"))]
RowId = Annotated[int, Path(ge=1, le=2**62)]


class ConflictsForm(BaseModel):
    """The conflicts that were chosen."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    conflict_ids: list[Id] = Field(min_length=1, max_length=200)


@router.post("/conflicts/keep")
def keep_labels(request: Request, access: Reviewer, form: FormFields) -> Response:
    """Keep the labels that the images carry."""
    return _settle(request, access, parsed(ConflictsForm, form), take=False)


@router.post("/conflicts/take")
def take_labels(request: Request, access: Reviewer, form: FormFields) -> Response:
    """Take the labels that the images arrived with."""
    return _settle(request, access, parsed(ConflictsForm, form), take=True)


def _settle(request: Request, access: Access, form: ConflictsForm, *, take: bool) -> Response:
    with write() as session:
        settled, result = settle_many(
            session, form.conflict_ids, take=take, project_id=access.project.id, user_id=access.user_id
        )
    words = result_words(result, tr("labelled")) if result else f"{settled.summary[:1].upper()}{settled.summary[1:]}."
    path = f"/projects/{access.project.slug}/library"
    if wants_json(request):
        return JSONResponse({"words": words, "undo_url": f"{path}/decisions/{settled.decision_id}/undo"})
    return redirect(f"{path}/conflicts", words)


@router.post("/decisions/{decision_id}/undo")
def undo(request: Request, access: Reviewer, decision_id: RowId) -> Response:
    """Take a decision back as one."""
    with write() as session:
        undone = undo_settlement(session, decision_id, project_id=access.project.id, user_id=access.user_id)
    words = tr("Undone: %(what)s.", what=undone.summary)
    if undone.measures_again:
        words += " " + tr_n("%(n)s image measures again.", "%(n)s images measure again.", undone.measures_again)
    if wants_json(request):
        return JSONResponse({"words": words})
    return redirect(f"/projects/{access.project.slug}/library/duplicates", words)
