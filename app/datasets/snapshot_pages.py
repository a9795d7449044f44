"""Pages of snapshots: the list, one with its images, any two side by side."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read
from app.datasets import comparing, queries, snapshot_images
from app.datasets.forms import CompareQuery, ListedClasses, SnapshotImagesQuery, SnapshotListQuery
from app.datasets.listing import list_classes
from app.datasets.pages import ASKED
from app.web.access import Access
from app.web.dependencies import require
from app.web.forms import parsed
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}/datasets", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
SnapshotId = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[int | None, Query(ge=1, le=2**62)]

ON_A_PAGE: Final = 50
IMAGES: Final = 96
CLASSES: Final = 200


@router.get("/snapshots")
def snapshots_page(request: Request, access: Viewer) -> Response:
    """Every snapshot, sorted as one likes."""
    asked = parsed(SnapshotListQuery, request.query_params)
    here = f"/projects/{access.project.slug}/datasets/snapshots"
    with read() as session:
        found = queries.snapshot_list(
            session,
            access.project.id,
            sort=asked.sort,
            down=asked.down,
            offset=(asked.page - 1) * ON_A_PAGE,
            limit=ON_A_PAGE + 1,
        )

    def to(**changes: object) -> str:
        return f"{here}?{asked.query_string(**{'page': 1, **changes})}"

    return render(
        request,
        "datasets/snapshots.html",
        active="datasets",
        snapshots=found[:ON_A_PAGE],
        has_more=len(found) > ON_A_PAGE,
        query=asked,
        to=to,
    )


@router.get("/compare")
def compare_page(request: Request, access: Viewer) -> Response:
    """What came, went and changed from one snapshot to another."""
    asked = parsed(CompareQuery, request.query_params)
    here = f"/projects/{access.project.slug}/datasets/compare"
    context: dict[str, Any] = {"query": asked, "compared": None, "images": [], "following": None}
    with read() as session:
        context["ids"] = snapshot_images.snapshot_ids(session, access.project.id)
        if asked.earlier and asked.later:
            both: dict[str, int] = {"earlier_id": asked.earlier, "later_id": asked.later}
            context["compared"] = comparing.compare(session, access.project.id, **both)
            images = comparing.changed_images(
                session,
                **both,
                change=asked.change,
                class_id=asked.class_id,
                after=asked.after,
                limit=IMAGES + 1,
            )
            context["images"] = images[:IMAGES]
            context["following"] = images[IMAGES - 1].image_id if len(images) > IMAGES else None

    def to(**changes: object) -> str:
        return f"{here}?{asked.query_string(**{'after': None, **changes})}"

    return render(request, "datasets/compare.html", active="datasets", to=to, most=CLASSES, **context)


@router.get("/{snapshot_id}")
def snapshot_page(request: Request, access: Viewer, snapshot_id: SnapshotId) -> Response:
    """A snapshot as it was frozen: classes, splits asked for and obtained, sub-classes, what was left out."""
    asked = parsed(ListedClasses, request.query_params)
    here = f"/projects/{access.project.slug}/datasets/{snapshot_id}"
    with read() as session:
        shown = queries.snapshot_view(session, snapshot_id, access.project.id)
        why = snapshot_images.count_by_why(session, snapshot_id)
        versions = snapshot_images.versions_of(session, snapshot_id)
        others = [each for each in snapshot_images.snapshot_ids(session, access.project.id) if each != snapshot_id]

    def to(**changes: object) -> str:
        return f"{here}?{asked.query_string(**{'page': 1, **changes})}"

    return render(
        request,
        "datasets/snapshot.html",
        active="datasets",
        snapshot=shown,
        listing=list_classes(shown.content, **asked.model_dump()),
        query=asked,
        to=to,
        why=why,
        versions=versions,
        others=others,
        asked=ASKED,
    )


@router.get("/{snapshot_id}/images")
def snapshot_images_page(request: Request, access: Viewer, snapshot_id: SnapshotId) -> Response:
    """Its images, of a class and a split where one likes."""
    asked = parsed(SnapshotImagesQuery, request.query_params)
    here = f"/projects/{access.project.slug}/datasets/{snapshot_id}/images"
    with read() as session:
        shown = queries.snapshot_view(session, snapshot_id, access.project.id)
        found = snapshot_images.snapshot_images(session, snapshot_id, limit=IMAGES + 1, **asked.model_dump())

    def to(**changes: object) -> str:
        return f"{here}?{asked.query_string(**{'after': None, **changes})}"

    return render(
        request,
        "datasets/snapshot_images.html",
        active="datasets",
        snapshot=shown,
        images=found[:IMAGES],
        following=found[IMAGES - 1].image_id if len(found) > IMAGES else None,
        query=asked,
        to=to,
    )
