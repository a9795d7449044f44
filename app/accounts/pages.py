"""Signing in and out, the first administrator, one's own account: password, sessions, API tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import RedirectResponse, Response

from app.accounts import service, sessions, tokens
from app.accounts.roles import ROLES
from app.accounts.schemas import FirstAdministrator, NewToken, PasswordChange, SignIn
from app.core.database import read, write
from app.core.errors import InvalidInput, NotFound, NotSignedIn, TooMany, WinnowError
from app.core.settings import get_settings
from app.web.access import Caller
from app.web.addresses import own_path
from app.web.cookies import drop_cookie, read_cookie, set_cookie
from app.web.dependencies import CallerOrNone, CurrentUser, FormFields, gatekeeper_of, public, require_signed_in
from app.web.error_handlers import status_of
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(include_in_schema=False)
_SECONDS_A_DAY = 86_400
AnyUser = Annotated[Caller, Depends(require_signed_in(before_password_change=True))]
RowId = Annotated[int, Path(ge=1, le=2**62)]


def _start_session(token: str, url: str) -> Response:
    """A new session always has a new token, and the visit from before it ends: neither can have been planted."""
    response = RedirectResponse(url, status_code=303)
    set_cookie(response, "session", token, seconds=get_settings().session_days * _SECONDS_A_DAY)
    drop_cookie(response, "visit")
    return response


@router.get("/", dependencies=[Depends(public)])
def start(caller: CallerOrNone) -> Response:
    """The way in."""
    return RedirectResponse("/projects" if caller else "/sign-in", status_code=303)


@router.get("/sign-in", dependencies=[Depends(public)])
def sign_in_page(request: Request, caller: CallerOrNone, next: str = "/") -> Response:  # noqa: A002 - the address says next
    """The form; who is signed in goes on."""
    if caller is not None and caller.token is None:
        return RedirectResponse(own_path(next), status_code=303)
    with read() as session:
        is_new = not service.has_users(session)
    return render(request, "accounts/sign_in.html", next=own_path(next), name="", error="", is_new=is_new)


@router.post("/sign-in", dependencies=[Depends(public)])
def sign_in(request: Request, form: FormFields) -> Response:
    """Name and password to a session."""
    sent = parsed(SignIn, form)
    onward = own_path(sent.next)
    try:
        old_token = read_cookie(request, "session")
        token = sessions.sign_in(name=sent.name, password=sent.password, old_token=old_token)
    except (NotSignedIn, TooMany) as error:
        context = {"next": onward, "name": sent.name, "error": error.message, "is_new": False}
        return render(request, "accounts/sign_in.html", http_status=status_of(error), **context)
    return _start_session(token, onward)


@router.post("/sign-out")
def sign_out(caller: AnyUser) -> Response:
    """End this session."""
    with write() as session:
        sessions.end_session(session, caller.session_id or 0, user_id=caller.user_id)
    response = redirect("/sign-in", "You are signed out.")
    drop_cookie(response, "session")
    return response


@router.get("/setup/{token}", dependencies=[Depends(public)])
def set_up_page(request: Request, token: str) -> Response:
    """The form that makes the first administrator, as long as the link is open."""
    with read() as session:
        if not service.is_setup_open(session, token):
            raise NotFound("This link has been used, or a newer one replaced it.")
    return render(request, "accounts/set_up.html", name="", error="", path=request.url.path)


@router.post("/setup/{token}", dependencies=[Depends(public)])
def set_up(request: Request, token: str, form: FormFields) -> Response:
    """Make the first administrator and sign them in."""
    try:
        sent = parsed(FirstAdministrator, form)
        made = service.set_up(token=token, name=sent.name, password=sent.password)
    except InvalidInput as error:
        context = {"name": form.get("name", ""), "error": error.message, "path": request.url.path}
        return render(request, "accounts/set_up.html", http_status=422, **context)
    return _start_session(made, "/projects")


def _account_page(request: Request, caller: Caller, *, http_status: int = 200, **extra: str) -> Response:
    with read() as session:
        context = {
            "sessions": sessions.sessions_of(session, caller.user_id),
            "tokens": tokens.tokens_of(session, caller.user_id),
        }
    places = gatekeeper_of(request).projects_of(caller)
    names = {project.id: project.name for project, _ in places}
    own = {"this_session": caller.session_id, "memberships": places, "names": names, "roles": ROLES}
    told = {"error": "", "made_token": "", "made_name": "", "address": get_settings().base_url} | extra
    return render(request, "accounts/account.html", http_status=http_status, **context, **own, **told)


@router.get("/account")
def account_page(request: Request, caller: CurrentUser) -> Response:
    """One's sessions and tokens."""
    return _account_page(request, caller)


@router.get("/account/password")
def password_page(request: Request, caller: AnyUser) -> Response:
    """The form for a new password; who has a one-time password sees nothing else before."""
    is_forced = caller.must_change_password
    return render(request, "accounts/password.html", error="", is_forced=is_forced)


@router.post("/account/password")
def change_password(request: Request, caller: AnyUser, form: FormFields) -> Response:
    """Change one's own password."""
    try:
        sent = parsed(PasswordChange, form)
        service.change_password(
            caller.user_id, current=sent.current, password=sent.password, session_id=caller.session_id
        )
    except InvalidInput as error:
        context = {"error": error.message, "is_forced": caller.must_change_password}
        return render(request, "accounts/password.html", http_status=422, **context)
    return redirect("/account", "Your password is changed. All your other sessions have ended.")


@router.post("/account/sessions/{session_id}/end")
def end_session(caller: CurrentUser, session_id: RowId) -> Response:
    """End another of one's own sessions."""
    with write() as session:
        sessions.end_session(session, session_id, user_id=caller.user_id)
    return redirect("/account", "That session has ended.")


@router.post("/account/tokens")
def create_token(request: Request, caller: CurrentUser, form: FormFields) -> Response:
    """Make an API token and show it, this once."""
    try:
        sent = parsed(NewToken, form)
        made = _make_token(request, caller, sent)
    except WinnowError as error:
        return _account_page(request, caller, http_status=status_of(error), error=error.message)
    return _account_page(request, caller, made_token=made, made_name=sent.name)


def _make_token(request: Request, caller: Caller, sent: NewToken) -> str:
    access = gatekeeper_of(request).admit(caller, slug=sent.project, role="viewer", writes=False, archived_too=True)
    with write() as session:
        return tokens.create_token(
            session,
            user_id=caller.user_id,
            project_id=access.project.id,
            name=sent.name,
            role=sent.role,
            own_role=access.role,
            days=sent.days,
        )


@router.post("/account/tokens/{token_id}/revoke")
def revoke_token(caller: CurrentUser, token_id: RowId) -> Response:
    """End an API token of one's own."""
    with write() as session:
        tokens.revoke_token(session, token_id, user_id=caller.user_id)
    return redirect("/account", "The token is revoked. Requests with it are refused from now on.")
