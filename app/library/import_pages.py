"""Pages of imports: those there were, sending files for one, what became of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from app.core.database import read
from app.core.settings import get_settings
from app.library import queries, uploads
from app.library.media import ImageId
from app.library.service import get_batch
from app.runs.service import get_run
from app.web.access import Access
from app.web.dependencies import RawBody, require
from app.web.limits import accepts_upload
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}/imports", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
Name = Annotated[str, Query(min_length=1, max_length=1024)]
Mark = Annotated[str, Query(max_length=100)]
Size = Annotated[int, Query(ge=0, le=2**53)]
_BATCHES = 50


@router.get("")
def imports_page(
    request: Request, access: Viewer, before: Annotated[int | None, Query(ge=1, le=2**62)] = None
) -> Response:
    """Imports, newest first, each with its figures."""
    with read() as session:
        batches = queries.batches(session, access.project.id, before=before, limit=_BATCHES)
        states = queries.run_states(session, batches)
    older = batches[-1].id if len(batches) == _BATCHES else None
    context: dict[str, Any] = {"batches": batches, "states": states, "before": before, "older": older}
    return render(request, "library/imports.html", active="library", **context)


@router.post("/uploads")
def new_upload(access: Engineer) -> JSONResponse:
    """Open a staging place for files; gives the addresses to send them to."""
    upload_id = uploads.open_upload(access.project.id)
    base = f"/projects/{access.project.slug}/imports/uploads/{upload_id}"
    return JSONResponse({"upload_id": upload_id, **_addresses(base)}, status_code=201)


def _addresses(base: str) -> dict[str, str]:
    return {"files_url": f"{base}/files", "large_url": f"{base}/large"}


@router.get("/uploads/{upload_id}")
def upload_so_far(access: Engineer, upload_id: str) -> JSONResponse:
    """What has arrived of an upload, so that a browser can go on where it stopped."""
    folder = uploads.upload_folder(upload_id, access.project.id)
    files = [asdict(file) for file in uploads.arrived(folder)]
    base = f"/projects/{access.project.slug}/imports/uploads/{upload_id}"
    return JSONResponse({"upload_id": upload_id, **_addresses(base), "files": files})


@router.post("/uploads/{upload_id}/files")
@accepts_upload(lambda: get_settings().max_upload_bytes)
async def upload_file(request: Request, access: Engineer, upload_id: str, name: Name, mark: Mark = "") -> JSONResponse:
    """Take one file as the request's body, in pieces, without ever holding it whole. Sent twice, it is one file."""
    with await run_in_threadpool(_open_staged, access.project.id, upload_id, name, mark) as staged:
        async for piece in request.stream():
            await run_in_threadpool(staged.write, piece)
    return JSONResponse({"name": name}, status_code=201)


def _open_staged(project_id: int, upload_id: str, name: str, mark: str) -> uploads.StagedWriter:
    folder = uploads.upload_folder(upload_id, project_id)
    return uploads.StagedWriter(folder, name=name, max_bytes=get_settings().max_upload_bytes, mark=mark)


@router.post("/uploads/{upload_id}/large")
def begin_large_file(access: Engineer, upload_id: str, name: Name, size: Size, mark: Mark = "") -> JSONResponse:
    """Announce a file that is sent in chunks, or learn where to go on with it."""
    limits = get_settings()
    is_archive = name.lower().endswith(".zip")
    found = uploads.begin_large(
        uploads.upload_folder(upload_id, access.project.id),
        name=name,
        size=size,
        mark=mark,
        max_bytes=limits.max_archive_bytes if is_archive else limits.max_upload_bytes,
    )
    address = f"/projects/{access.project.slug}/imports/uploads/{upload_id}/large/{found.file_id}"
    return JSONResponse({"file_url": address, "chunk_bytes": uploads.CHUNK_BYTES, **asdict(found)}, status_code=201)


@router.get("/uploads/{upload_id}/large/{file_id}")
def large_file_so_far(access: Engineer, upload_id: str, file_id: str) -> JSONResponse:
    """How much of a large file has arrived for good."""
    return JSONResponse(asdict(uploads.arriving(uploads.upload_folder(upload_id, access.project.id), file_id)))


@router.patch("/uploads/{upload_id}/large/{file_id}")
@accepts_upload(lambda: uploads.CHUNK_BYTES)
def add_chunk(
    access: Engineer,
    upload_id: str,
    file_id: str,
    chunk: RawBody,
    offset: Size,
    sha256: Annotated[str, Query(pattern=r"^([0-9a-fA-F]{64})?$")] = "",
) -> JSONResponse:
    """The next chunk of a large file, with its digest; 409 tells the offset that is expected."""
    folder = uploads.upload_folder(upload_id, access.project.id)
    return JSONResponse(asdict(uploads.append_chunk(folder, file_id, offset=offset, chunk=chunk, digest=sha256)))


@router.get("/{batch_id}")
def batch_page(request: Request, access: Viewer, batch_id: ImageId) -> Response:
    """One import: how far it is, what it added, what it could not use."""
    return render(request, "library/batch.html", active="library", **_batch(access.project.id, batch_id))


@router.get("/{batch_id}/figures")
def batch_figures(request: Request, access: Viewer, batch_id: ImageId) -> Response:
    """The part of the page that changes while the import runs."""
    return render(request, "library/_figures.html", **_batch(access.project.id, batch_id))


def _batch(project_id: int, batch_id: int) -> dict[str, Any]:
    with read() as session:
        batch = get_batch(session, batch_id, project_id)
        run = get_run(session, batch.run_id, project_id) if batch.run_id else None
    return {"batch": batch, "run": run, "result": (run.result if run else None) or {}}
