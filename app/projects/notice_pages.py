"""The notices of whoever is signed in, and following a project."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from app.core.database import read, write
from app.projects import notices
from app.web.access import Access
from app.web.dependencies import CurrentUser, FormFields, require
from app.web.templating import redirect, render

router = APIRouter(include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
NoticeId = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[int | None, Query(ge=1, le=2**62)]


@router.get("/notices")
def notices_page(request: Request, caller: CurrentUser, before: Key = None) -> Response:
    """What one was told, newest first."""
    size = notices.PAGE
    with read() as session:
        found = notices.newest_notices(
            session, caller.user_id, is_administrator=caller.is_administrator, before=before, limit=size + 1
        )
    older = found[size - 1].id if len(found) > size else None
    return render(request, "projects/notices.html", notices=found[:size], older=older, before=before)


@router.post("/notices/read")
def read_all(caller: CurrentUser) -> Response:
    """Mark everything as read."""
    with write() as session:
        notices.mark_all_read(session, caller.user_id)
    return redirect("/notices")


@router.post("/notices/{notice_id}/open")
def open_notice(caller: CurrentUser, notice_id: NoticeId) -> Response:
    """Mark one as read and go where it leads."""
    with write() as session:
        address = notices.mark_read(session, caller.user_id, notice_id)
    return redirect(address)


@router.post("/projects/{slug}/follow")
def follow(access: Viewer, form: FormFields) -> Response:
    """Get every notice of the project from now on; the form says which page one comes from."""
    access.refuse_archived()
    with write() as session:
        notices.follow(session, access.project.id, access.user_id)
    return redirect(_back(access, form), "You are told how runs here end, and of what is found.")


@router.post("/projects/{slug}/unfollow")
def unfollow(access: Viewer, form: FormFields) -> Response:
    """Get only the notices that concern one otherwise."""
    access.refuse_archived()
    with write() as session:
        notices.unfollow(session, access.project.id, access.user_id)
    return redirect(_back(access, form), "You no longer follow this project.")


def _back(access: Access, form: FormData) -> str:
    return f"/projects/{access.project.slug}/{'watching' if form.get('at') == 'watching' else 'recipes'}"
