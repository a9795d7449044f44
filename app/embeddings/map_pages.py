"""The map of the library, and images like a selection."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.core.texts import tr
from app.embeddings.map_points import map_points, map_status, require_layout
from app.embeddings.maps import request_map
from app.embeddings.queries import similar_cells
from app.library.filters import ImageFilter
from app.library.words import Names, chips
from app.registry.queries import reference_trunk
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
LayoutId = Annotated[int, Path(ge=1, le=2**62)]
MOST_EXAMPLES: Final = 100
_COUNTS: Final = (60, 120, 240)


@router.get("/map")
def map_page(request: Request, access: Viewer) -> Response:
    """The library on a plane, narrowed by the filters in the address."""
    chosen, path = ImageFilter.from_query(request.query_params), f"/projects/{access.project.slug}/map"
    with read() as session:
        status = map_status(session, access.project.id)
        names = Names.of(session, access.project.id, chosen)
    context: dict[str, Any] = {"status": status, "filter": chosen, "path": path, "chips": chips(chosen, names, path)}
    return render(request, "embeddings/map.html", active="library", **context)


@router.post("/map")
def draw(access: Engineer) -> Response:
    """Draw it anew."""
    with write() as session:
        run_id = request_map(session, access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", tr("The map is being drawn."))


@router.get("/map/{layout_id}/points")
def points(request: Request, access: Viewer, layout_id: LayoutId) -> Response:
    """The points that match the filters, for the page's script."""
    chosen = ImageFilter.from_query(request.query_params)
    with read() as session:
        require_layout(session, layout_id, access.project.id)
        body = map_points(session, access.project.id, layout_id, chosen)
    return Response(body, media_type="application/octet-stream")


@router.get("/similar")
def similar(
    request: Request, access: Viewer, ids: Annotated[str, Query(max_length=2500)], k: int = _COUNTS[0]
) -> Response:
    """Images like one, or like several at once, among those that match the filters in the address."""
    examples, chosen = _examples(ids), ImageFilter.from_query(request.query_params)
    if k not in _COUNTS:
        raise InvalidInput(tr("k is one of %(counts)s; received %(k)s", counts=", ".join(map(str, _COUNTS)), k=k))
    with read() as session:
        found = similar_cells(session, access.project.id, examples, chosen, k)
        trunk = reference_trunk(session, access.project.id)
        names = Names.of(session, access.project.id, chosen)
    path = f"/projects/{access.project.slug}/similar"
    context: dict[str, Any] = {"found": found, "trunk": trunk, "names": names, "filter": chosen, "path": path}
    context |= {"ids": ids, "k": k, "counts": _COUNTS, "chips": chips(chosen, names, path, ids=ids, k=k)}
    return render(request, "embeddings/similar.html", active="library", **context)


def _examples(ids: str) -> list[int]:
    words = list(dict.fromkeys(ids.split(",")))
    if not all(word.isdecimal() and len(word) < 19 for word in words) or len(words) > MOST_EXAMPLES:  # noqa: PLR2004 - of 64 bits
        rule = tr("ids are 1 to %(most)s numbers of images with commas between them", most=MOST_EXAMPLES)
        raise InvalidInput(tr("%(rule)s; received %(ids)s", rule=rule, ids=ids[:300]))
    return [int(word) for word in words]
