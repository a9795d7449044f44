"""Pages of class lists: import with a preview, export as CSV."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from app.core.database import read, write
from app.core.errors import TooLarge
from app.core.texts import tr
from app.labelling import class_file
from app.labelling.class_counts import class_rows
from app.labelling.class_forms import MAX_LIST, ClassListForm
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/classes")
Viewer = Annotated[Access, Depends(require("viewer"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]

_SHOWN: Final = 200


@router.get(".csv")
def class_list_csv(access: Viewer) -> Response:
    """The class list as a file that the import takes."""
    with read() as session:
        rows = class_rows(session, access.project.id)
    headers = {"Content-Disposition": f'attachment; filename="{access.project.slug}-classes.csv"'}
    return Response(class_file.list_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/list")
def list_page(request: Request, _: Reviewer) -> Response:
    """Where a class list is pasted or chosen."""
    return render(request, "labelling/class_list.html", active="classes", text="", found=None)


@router.post("/list")
def preview_or_write(request: Request, access: Reviewer, form: FormFields) -> Response:
    """Show what a list would make and change; with `is_final`, do it."""
    sent = parsed(ClassListForm, form)
    text = sent.text.strip() or _file_text(form)
    listed = class_file.read_list(text)
    if sent.is_final:
        with write() as session:
            made, changed = class_file.apply_list(
                session, project_id=access.project.id, listed=listed, user_id=access.user_id
            )
        words = tr("%(made)s classes made, %(changed)s changed.", made=f"{made:,}", changed=f"{changed:,}")
        return redirect(f"/projects/{access.project.slug}/classes", words)
    with read() as session:
        found = class_file.differences(session, access.project.id, listed)
    new = sum(each.is_new for each in found)
    context: dict[str, Any] = {
        "text": text,
        "found": found[:_SHOWN],
        "listed": len(listed),
        "new": new,
        "changed": len(found) - new,
    }
    return render(request, "labelling/class_list.html", active="classes", **context)


def _file_text(form: FormData) -> str:
    chosen = form.get("file")
    if not isinstance(chosen, UploadFile):
        return ""
    content = chosen.file.read(MAX_LIST + 1)
    if len(content) > MAX_LIST:
        raise TooLarge(tr("a class list has at most %(most)s bytes", most=f"{MAX_LIST:,}"))
    return content.decode("utf-8-sig", errors="replace")
