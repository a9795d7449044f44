"""The reference trunk and the embeddings that are kept: what a change costs, and asking for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.settings import get_settings
from app.embeddings.keeping import held_trunks, request_cleaning
from app.embeddings.queries import library_size
from app.embeddings.reference import redone_titles, reference_choices, request_reference
from app.registry.queries import reference_trunk
from app.registry.trunks import TRUNKS
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]


@router.get("/trunks/reference")
def reference_page(request: Request, access: Viewer) -> Response:
    """The reference trunk, what a change would cost, and which trunks keep their embeddings."""
    project_id = access.project.id
    with read() as session:
        reference = reference_trunk(session, project_id)
        choices = reference_choices(session, project_id)
        held = held_trunks(session, project_id)
        redone = redone_titles(session, project_id)
        images = library_size(session, project_id)
    return render(
        request,
        "registry/reference.html",
        active="models",
        reference=reference,
        choices=choices,
        held=held,
        redone=redone,
        images=images,
        titles={name: kind.title for name, kind in TRUNKS.items()},
        versions_kept=get_settings().embedding_versions_kept,
    )


@router.post("/trunks/reference")
def change(access: Engineer, form: FormFields) -> Response:
    """Embed the library by another trunk and make it the reference, in the background."""
    with write() as session:
        run_id = request_reference(session, access.project.id, str(form.get("choice", "")), user_id=access.user_id)
    said = "The library is being embedded by the new trunk; the present one stays in force until then."
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", said)


@router.post("/trunks/clean")
def clean(access: Engineer) -> Response:
    """Drop embeddings that nothing keeps, in the background."""
    with write() as session:
        run_id = request_cleaning(session, access.project.id, user_id=access.user_id)
    return redirect(
        f"/projects/{access.project.slug}/runs/{run_id}", "Embeddings that nothing keeps are being dropped."
    )
