"""Pages of relabelling by an edited CSV file: send it, see what it changes, apply, undo."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.core.texts import tr
from app.exchange import relabelling
from app.labelling.parts import is_undone
from app.runs.queries import newest_runs
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.limits import accepts_upload
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/relabel", include_in_schema=False)
Engineer = Annotated[Access, Depends(require("engineer"))]
RunId = Annotated[int, Path(ge=1, le=2**62)]
_SHOWN: Final = 20


@router.get("")
def relabel_page(request: Request, access: Engineer) -> Response:
    """Where a CSV file is sent, and the newest comparisons."""
    return _page(request, access)


def _page(request: Request, access: Access, *, error: str = "", http_status: int = 200) -> Response:
    with read() as session:
        runs = newest_runs(session, access.project.id, limit=_SHOWN, kind=relabelling.COMPARE)
    return render(request, "exchange/relabel.html", active="library", http_status=http_status, runs=runs, error=error)


@router.post("")
@accepts_upload(lambda: relabelling.MAX_TABLE_BYTES)
def send_table(request: Request, access: Engineer, form: FormFields) -> Response:
    """Keep the file and queue its comparison."""
    sent = form.get("file")
    project_id = access.project.id
    try:
        if not isinstance(sent, UploadFile) or not sent.filename:
            raise InvalidInput(tr("choose a CSV file first"))
        upload_id = relabelling.stage_table(project_id, sent.filename, sent.file)
        with write() as session:
            run_id = relabelling.request_comparison(
                session, project_id=project_id, user_id=access.user_id, upload_id=upload_id
            )
    except InvalidInput as error:
        return _page(request, access, error=error.message, http_status=422)
    return redirect(f"/projects/{access.project.slug}/relabel/{run_id}")


@router.get("/{run_id}")
def comparison_page(request: Request, access: Engineer, run_id: RunId) -> Response:
    """What a table would change, what it cannot, and what became of it."""
    with read() as session:
        found = relabelling.get_comparison(session, access.project.id, run_id)
        done = found.applied.result if found.applied else {}
        undone = is_undone(session, done["action_id"]) if done else False
    live = next((run for run in (found.applied, found.run) if run is not None and not run.is_ended), None)
    context: dict[str, Any] = {"found": found, "run": found.run, "live": live, "done": done, "is_undone": undone}
    return render(request, "exchange/comparison.html", active="library", **context)


@router.post("/{run_id}/apply")
def apply(access: Engineer, run_id: RunId, form: FormFields) -> Response:
    """Queue what a comparison found."""
    with write() as session:
        relabelling.request_relabelling(
            session,
            project_id=access.project.id,
            user_id=access.user_id,
            compare_run_id=run_id,
            make_classes=form.get("make_classes") == "true",
        )
    return redirect(f"/projects/{access.project.slug}/relabel/{run_id}", tr("The relabelling is queued."))
