"""Asking for duplicates by embedding, and for the size of subjects."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.core.texts import tr
from app.embeddings import subjects
from app.embeddings.alike import DEFAULT_SIMILARITY, KIND
from app.library.duplicate_pages import begun
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed

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
    return begun(access, KIND, tr("Search for duplicates by embedding"), {"similarity": wanted.similarity})


@router.post("/library/quality/measure-subjects")
def measure_subjects(access: Engineer) -> Response:
    """Measure how much of each image the reference trunk is active in, in the background."""
    return begun(access, subjects.KIND, tr("Size of subjects"), {})
