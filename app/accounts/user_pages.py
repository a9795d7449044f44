"""The users of the installation, for its administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.accounts import service
from app.accounts.schemas import NewUser
from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput
from app.web.access import Caller
from app.web.dependencies import FormFields, require_administrator
from app.web.error_handlers import status_of
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/users", include_in_schema=False)
Administrator = Annotated[Caller, Depends(require_administrator())]
UserId = Annotated[int, Path(ge=1, le=2**62)]


def _users_page(request: Request, *, http_status: int = 200, **extra: str) -> Response:
    with read() as session:
        users = service.list_users(session)
    told = {"error": "", "name": "", "password_of": "", "password": ""} | extra
    return render(request, "accounts/users.html", http_status=http_status, users=users, **told)


@router.get("")
def users_page(request: Request, caller: Administrator) -> Response:  # noqa: ARG001 - the rule
    """Everyone with an account."""
    return _users_page(request)


@router.post("")
def create_user(request: Request, caller: Administrator, form: FormFields) -> Response:
    """Make a user; the one-time password is shown this once."""
    try:
        sent = parsed(NewUser, form)
        _, password = service.create_user(name=sent.name, by=caller.user_id, is_administrator=sent.is_administrator)
    except (InvalidInput, Conflict) as error:
        name = str(form.get("name", ""))
        return _users_page(request, http_status=status_of(error), error=error.message, name=name)
    return _users_page(request, password_of=sent.name, password=password)


@router.post("/{user_id}/password")
def reset_password(request: Request, caller: Administrator, user_id: UserId) -> Response:
    """Give a user a new one-time password, shown this once."""
    password = service.reset_password(user_id, by=caller.user_id)
    with read() as session:
        name = service.get_user(session, user_id).name
    return _users_page(request, password_of=name, password=password)


@router.post("/{user_id}/deactivate")
def deactivate(caller: Administrator, user_id: UserId) -> Response:
    """Shut a user out at once."""
    with write() as session:
        service.set_active(session, user_id, is_active=False, by=caller.user_id)
    return redirect("/users", "The account is closed; its sessions have ended and its tokens are refused.")


@router.post("/{user_id}/activate")
def activate(caller: Administrator, user_id: UserId) -> Response:
    """Let a user in again."""
    with write() as session:
        service.set_active(session, user_id, is_active=True, by=caller.user_id)
    return redirect("/users", "The account is open again.")
