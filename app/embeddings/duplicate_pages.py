"""Asking for duplicates by embedding, and for the size of subjects."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.core.database import write
from app.core.texts import tr
from app.embeddings import subjects
from app.embeddings.alike import DEFAULT_SIMILARITY, KIND
from app.runs.service import request_run
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Engineer = Annotated[Access, Depends(require("engineer"))]


class AlikeForm(BaseModel):
    """The least cosine of two embeddings that is proposed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    similarity: float = Field(DEFAULT_SIMILARITY, ge=0.5, le=1, allow_inf_nan=False)


@router.post("/library/duplicates/search-embeddings")
def search_by_embedding(access: Engineer, form: FormFields) -> Response:
    """Look for images whose embeddings by the reference trunk are nearly the same, in the background."""
    wanted = parsed(AlikeForm, form)
    with write() as session:
        run_id = request_run(
            session,
            project_id=access.project.id,
            kind=KIND,
            title=tr("Search for duplicates by embedding"),
            parameters={"similarity": wanted.similarity},
            created_by=access.user_id,
            coalesce_key=f"{KIND}:{access.project.id}",
        )
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", tr("The library is being searched."))


@router.post("/library/quality/measure-subjects")
def measure_subjects(access: Engineer) -> Response:
    """Measure how much of each image the reference trunk is active in, in the background."""
    with write() as session:
        run_id = request_run(
            session,
            project_id=access.project.id,
            kind=subjects.KIND,
            title=tr("Size of subjects"),
            parameters={},
            created_by=access.user_id,
            coalesce_key=f"{subjects.KIND}:{access.project.id}",
        )
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", tr("The images are being measured."))
