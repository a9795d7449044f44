"""Making a project with its classes in one step: it stands above projects and labelling, so it is neither's page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.core.database import write
from app.core.errors import InvalidInput
from app.labelling.service import ensure_class
from app.projects.schemas import CHARTER, NewProject
from app.projects.service import create_project, split_class_names
from app.web.access import Caller
from app.web.dependencies import FormFields, require_administrator
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects", include_in_schema=False)
Administrator = Annotated[Caller, Depends(require_administrator())]
_BLANK = dict.fromkeys(NewProject.model_fields, "")


@router.get("/new")
def new_project_page(request: Request, caller: Administrator) -> Response:  # noqa: ARG001 - the rule
    """Name, classes and the five questions of the charter."""
    return render(request, "projects/new.html", shown=_BLANK, charter=CHARTER, error="")


@router.post("")
def make_project(request: Request, caller: Administrator, form: FormFields) -> Response:
    """The project and its classes, or neither."""
    try:
        sent = parsed(NewProject, form)
        slug = _make(sent, split_class_names(sent.classes), user_id=caller.user_id)
    except InvalidInput as error:
        shown = _BLANK | dict(form)
        context = {"shown": shown, "charter": CHARTER, "error": error.message}
        return render(request, "projects/new.html", http_status=422, **context)
    return redirect(f"/projects/{slug}", f"{sent.name} is made. Next: import images.")


def _make(sent: NewProject, class_names: list[str], *, user_id: int) -> str:
    with write() as session:
        project = create_project(session, name=sent.name, charter=sent, user_id=user_id)
        for name in class_names:
            ensure_class(session, project.id, name, user_id=user_id)
        return project.slug
