"""The list of projects and a project's settings. Making one, with its classes, is in `assembly.first_run`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.accounts.roles import ROLES, as_role
from app.accounts.service import list_users
from app.core.database import read, write
from app.core.errors import InvalidInput, NotFound
from app.projects import queries, service
from app.projects.schemas import CHARTER, ProjectSettings
from app.web.access import Access
from app.web.dependencies import CurrentUser, FormFields, gatekeeper_of, require
from app.web.error_handlers import status_of
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects", include_in_schema=False)
Administrator = Annotated[Access, Depends(require("administrator"))]
AdministratorEvenArchived = Annotated[Access, Depends(require("administrator", archived_too=True))]
UserId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("")
def projects_page(request: Request, caller: CurrentUser) -> Response:
    """The projects of whoever is signed in."""
    memberships = gatekeeper_of(request).projects_of(caller)
    return render(request, "projects/projects.html", memberships=memberships)


def _settings_page(
    request: Request, access: Access, *, http_status: int = 200, error: str = "", sent: object = None
) -> Response:
    with read() as session:
        project = queries.get_project(session, access.project.slug)
        members = queries.members(session, access.project.id)
        names = [user.name for user in list_users(session) if user.is_active]
    shown = sent if sent is not None else {field: getattr(project, field) for field in ProjectSettings.model_fields}
    context = {"shown": shown, "members": members, "names": names, "roles": ROLES, "charter": CHARTER}
    return render(request, "projects/settings.html", http_status=http_status, error=error, **context)


@router.get("/{slug}/settings")
def settings_page(request: Request, access: Administrator) -> Response:
    """Charter, cutoffs, policy, members, archive."""
    return _settings_page(request, access)


@router.post("/{slug}/settings")
def update_settings(request: Request, access: Administrator, form: FormFields) -> Response:
    """Save charter, cutoffs and policy."""
    try:
        settings = parsed(ProjectSettings, form)
    except InvalidInput as error:
        blank = dict.fromkeys(ProjectSettings.model_fields, "")
        return _settings_page(request, access, http_status=422, error=error.message, sent=blank | dict(form))
    with write() as session:
        service.update_settings(session, project_id=access.project.id, settings=settings, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/settings", "The settings are saved.")


@router.post("/{slug}/members")
def set_member(request: Request, access: Administrator, form: FormFields) -> Response:
    """Add a member or change a member's role."""
    name = str(form.get("name", ""))
    try:
        role = as_role(str(form.get("role", "")))
        with write() as session:
            service.set_member(session, project_id=access.project.id, name=name, role=role, user_id=access.user_id)
    except (InvalidInput, NotFound) as error:
        return _settings_page(request, access, http_status=status_of(error), error=error.message)
    return redirect(f"/projects/{access.project.slug}/settings", f"{name} is now {role} here.")


@router.post("/{slug}/members/{user_id}/remove")
def remove_member(access: Administrator, user_id: UserId) -> Response:
    """Take a member out of the project."""
    with write() as session:
        service.remove_member(session, project_id=access.project.id, member_id=user_id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/settings", "They are no longer a member.")


@router.post("/{slug}/archive")
def archive(access: Administrator) -> Response:
    """Make the project read-only."""
    with write() as session:
        service.archive(session, project_id=access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/settings", "The project is archived and read-only.")


@router.post("/{slug}/unarchive")
def unarchive(access: AdministratorEvenArchived) -> Response:
    """Open an archived project again."""
    with write() as session:
        service.unarchive(session, project_id=access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/settings", "The project is open again.")
