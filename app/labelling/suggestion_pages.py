"""What is suggested for images that somebody looks at, outside the queue."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from app.core.database import read
from app.core.errors import InvalidInput
from app.core.texts import tr
from app.labelling.key_bindings import commands_of
from app.labelling.suggested import shown_suggestions
from app.library.stepping import images_by_id
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter()
Labeller = Annotated[Access, Depends(require("labeller"))]

_MOST: Final = 60
_DIGITS: Final = 18


@router.get("/suggestions")
def suggestions(access: Labeller, ids: Annotated[str, Query(max_length=1500)]) -> Response:
    """Classes suggested for images (ids with commas), best first, by image id; who suggests; this person's keys."""
    wanted = [int(word) for word in ids.split(",") if word.isascii() and word.isdigit() and len(word) <= _DIGITS]
    if not 1 <= len(wanted) <= _MOST:
        raise InvalidInput(tr("ids are 1 to %(most)s numbers with commas", most=_MOST))
    with read() as session:
        ours = [image.id for image in images_by_id(session, access.project.id, wanted)]
        found = shown_suggestions(session, access.project.id, ours)
        keys = {each.name: each.key for each in commands_of(session, access.user_id)}
    by_image = {image_id: [asdict(one) for one in ranked] for image_id, ranked in found.by_image.items()}
    return JSONResponse({"version_id": found.version_id, "suggestions": by_image, "keys": keys})
