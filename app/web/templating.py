"""Jinja pages and fragments. Everything is escaped; a name that is missing is an error, not an empty place.

    return render(request, "labelling/label.html", active="label", image=image)

Every template has: `user`, `project`, `role`, `may("reviewer")`, `projects` (for the switcher), `csrf_token`, `active`,
`flashes`, `unread` (notices), `request_path`. Templates whose file name starts with `_` are fragments: they get no
switcher and keep the notice for the next whole page.
"""

from __future__ import annotations

import base64
import hmac
import json
from functools import lru_cache, partial
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.settings import ROOT
from app.core.texts import language, languages, plain, plain_n
from app.web import filters
from app.web.access import Access, Caller, ProjectRef
from app.web.cookies import NOTICE_SECONDS, drop_cookie, read_cookie, set_cookie
from app.web.csrf import token_for
from app.web.script_texts import texts_address
from app.web.secret import keyed_digest

NoticeKind = Literal["good", "info", "warn", "error"]
_NOTICE_CHARACTERS = 600


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.extend(newstyle_gettext=True)
    environment.globals |= {"language": language, "languages": languages, "texts_address": texts_address}
    environment.install_gettext_callables(plain, plain_n, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(filters.FILTERS)
    return environment


def is_fragment(name: str) -> bool:
    """Whether a template is a part of a page."""
    return name.rsplit("/", 1)[-1].startswith("_")


def render(request: Request, template: str, /, *, http_status: int = 200, **context: Any) -> HTMLResponse:
    """A template as a response. `context` adds to, and overrides, what every template has."""
    caller: Caller | None = getattr(request.state, "caller", None)
    fragment = is_fragment(template)
    notice = None if fragment else _read_notice(request)
    shared = _shared(request, caller) | {
        "projects": [] if fragment else _projects(request, caller),
        "flashes": [notice] if notice else [],
        "unread": 0 if fragment or caller is None else request.app.state.gatekeeper.unread_of(caller),
    }
    response = HTMLResponse(_environment().get_template(template).render(shared | context), status_code=http_status)
    if caller is None and not fragment and read_cookie(request, "visit") is None:
        set_cookie(response, "visit", request.state.visit)
    if notice:
        drop_cookie(response, "notice")
    return response


def _shared(request: Request, caller: Caller | None) -> dict[str, Any]:
    access: Access | None = getattr(request.state, "access", None)
    user = (
        {"id": caller.user_id, "name": caller.user_name, "is_administrator": caller.is_administrator}
        if caller
        else None
    )
    return {
        "user": user,
        "project": access.project if access else None,
        "role": access.role if access else None,
        "may": partial(request.app.state.gatekeeper.allows, access.role if access else None),
        "csrf_token": token_for(request),
        "active": "",
        "request_path": request.url.path,
    }


def _projects(request: Request, caller: Caller | None) -> list[ProjectRef]:
    if caller is None:
        return []
    return [project for project, _ in request.app.state.gatekeeper.projects_of(caller) if not project.is_archived]


def redirect(url: str, notice: str = "", *, kind: NoticeKind = "good") -> RedirectResponse:
    """Go on to a page of ours after a form (303), with a notice that the next page shows once."""
    response = RedirectResponse(url, status_code=303)
    if notice:
        add_notice(response, notice, kind=kind)
    return response


def add_notice(response: Response, notice: str, *, kind: NoticeKind = "good") -> None:
    """Show `notice` once, on the next whole page."""
    text = json.dumps({"kind": kind, "message": notice[:_NOTICE_CHARACTERS]})
    body = base64.urlsafe_b64encode(text.encode()).decode()
    set_cookie(response, "notice", f"{body}.{keyed_digest('notice', body)}", seconds=NOTICE_SECONDS)


def _read_notice(request: Request) -> dict[str, str] | None:
    body, _, signature = (read_cookie(request, "notice") or "").partition(".")
    if not body or not hmac.compare_digest(keyed_digest("notice", body).encode(), signature.encode()):
        return None
    notice: dict[str, str] = json.loads(base64.urlsafe_b64decode(body))
    return notice
