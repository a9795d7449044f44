"""Having the engines of a version measured again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from app.core.database import write
from app.registry.engines import request_engines
from app.registry.queries import version_by_number
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import redirect

router = APIRouter(prefix="/projects/{slug}/models", include_in_schema=False)
Engineer = Annotated[Access, Depends(require("engineer"))]


@router.post("/{number}/engines")
def measure_again(access: Engineer, number: Annotated[int, Path(ge=1, le=2**62)]) -> Response:
    """Try every engine for this version again, in the background."""
    with write() as session:
        version = version_by_number(session, access.project.id, number)
        run_id = request_engines(
            session,
            project_id=access.project.id,
            version_id=version.id,
            number=version.number,
            user_id=access.user_id,
        )
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", f"The engines of version {number} are measured.")
