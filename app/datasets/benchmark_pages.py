"""Pages of benchmark sets: the list, one set with its truth, making one from chosen images."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.datasets import benchmark_queries
from app.datasets.benchmarks import extend_benchmark_set, make_benchmark_set
from app.datasets.forms import MOST_IMAGES, BenchmarkRequest
from app.library.selection import resolve
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}/benchmarks", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
SetId = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[int | None, Query(ge=1, le=2**62)]

PAGE = 96


@router.get("")
def benchmarks_page(request: Request, access: Viewer) -> Response:
    """The newest version of every set, with the exposure of recent versions."""
    with read() as session:
        sets = benchmark_queries.newest_sets(session, access.project.id)
    return render(request, "datasets/benchmarks.html", active="datasets", sets=sets)


@router.get("/choice")
def choice_part(request: Request, access: Reviewer) -> Response:
    """The dialog that puts chosen images into a set."""
    with read() as session:
        sets = benchmark_queries.newest_sets(session, access.project.id)
        classes = benchmark_queries.classes_by_name(session, access.project.id)
    return render(request, "datasets/_benchmark_choice.html", sets=sets, classes=classes)


@router.post("")
def make_set(access: Reviewer, sent: BenchmarkRequest) -> dict[str, object]:
    """Make a set of chosen images, or a new version of one with them in."""
    image_ids = sent.image_ids
    if sent.selection is not None:
        with read() as session:  # A filter may take long to answer: not while everybody else waits to write.
            image_ids = resolve(session, access.project.id, sent.selection, MOST_IMAGES)
    given: dict[str, Any] = {
        "project_id": access.project.id,
        "image_ids": image_ids,
        "truths": sent.truths(image_ids),
        "user_id": access.user_id,
    }
    with write() as session:
        if sent.set_id is None:
            made = make_benchmark_set(session, name=sent.name, is_tuning=sent.is_tuning, **given)
        else:
            made = extend_benchmark_set(session, sent.set_id, **given)
        address = f"/projects/{access.project.slug}/benchmarks/{made.id}"
        return {"set_id": made.id, "name": made.name, "version": made.version, "url": address}


@router.get("/{set_id}")
def benchmark_page(request: Request, access: Viewer, set_id: SetId, after: Key = None) -> Response:
    """A set's images with their truth."""
    with read() as session:
        shown = benchmark_queries.set_view(session, set_id, access.project.id)
        images = benchmark_queries.set_images(session, set_id, after=after, limit=PAGE + 1)
        exposure = benchmark_queries.exposure(session, set_id, access.project.id)
    following = images[PAGE - 1].image_id if len(images) > PAGE else None
    return render(
        request,
        "datasets/benchmark.html",
        active="datasets",
        benchmark=shown,
        images=images[:PAGE],
        after=after,
        following=following,
        exposure=exposure,
    )
