"""The nearest images of one image, as a part of its page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.embeddings.queries import neighbour_cells
from app.embeddings.service import request_embedding
from app.library.service import get_image
from app.registry.queries import reference_trunk
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
ImageId = Annotated[int, Path(ge=1, le=2**62)]
Count = Annotated[int, Query(ge=1, le=60)]


@router.get("/images/{image_id}/neighbours")
def neighbours(request: Request, access: Viewer, image_id: ImageId, k: Count = 18) -> Response:
    """The images most like this one by the reference trunk."""
    with read() as session:
        get_image(session, image_id, access.project.id)
        trunk = reference_trunk(session, access.project.id)
        cells = neighbour_cells(session, access.project.id, image_id, k)
    return render(request, "embeddings/_neighbours.html", trunk=trunk, cells=cells)


@router.post("/embeddings")
def embed(access: Engineer) -> Response:
    """Embed the whole library by the reference trunk."""
    with write() as session:
        run_id = request_embedding(session, access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", "The library is being embedded.")
