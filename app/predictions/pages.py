"""What the versions say of one image, as a part of its page."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.core.database import read
from app.embeddings.map_points import require_layout, with_head
from app.library.filters import ImageFilter
from app.library.service import get_image
from app.predictions.queries import answers_for, confidences_on_map
from app.predictions.service import suggestions
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
ImageId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("/images/{image_id}/predictions")
def predictions(request: Request, access: Viewer, image_id: ImageId) -> Response:
    """The production version's answer, and the newest of the other versions."""
    with read() as session:
        get_image(session, image_id, access.project.id)
        serving = suggestions(session, access.project.id, [image_id])
        answers = answers_for(session, access.project.id, image_id)
    ranked = serving.by_image.get(image_id, [])
    return render(request, "predictions/_predictions.html", serving=serving, ranked=ranked, answers=answers)


@router.get("/map/{layout_id}/confidences")
def map_confidences(request: Request, access: Viewer, layout_id: ImageId) -> Response:
    """The production version's confidences for the points of the map, for its script.

    Little-endian, as the map's points are: a head, then for `head.count` images the arrays id f64, confidence f32.
    """
    chosen = ImageFilter.from_query(request.query_params)
    with read() as session:
        require_layout(session, layout_id, access.project.id)
        found = confidences_on_map(session, access.project.id, layout_id, chosen)
    arrays = (np.asarray([image_id for image_id, _ in found], "<f8"), np.asarray([c for _, c in found], "<f4"))
    return Response(with_head({"count": len(found)}, arrays), media_type="application/octet-stream")
