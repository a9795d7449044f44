"""Error class to HTTP status, once, for page, fragment and JSON alike."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    TooLarge,
    TooMany,
    Unavailable,
    WinnowError,
)
from app.core.logging import get_logger
from app.web.cookies import read_cookie
from app.web.dependencies import gatekeeper_of
from app.web.forms import said_plainly
from app.web.headers import SECURITY_HEADERS
from app.web.templating import render

STATUSES: dict[type[WinnowError], int] = {
    InvalidInput: 422,
    NotFound: 404,
    Conflict: 409,
    Forbidden: 403,
    NotSignedIn: 401,
    TooLarge: 413,
    TooMany: 429,
    Unavailable: 503,
}
_TITLES = {
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Not possible now",
    413: "Too large",
    422: "Please check what you entered",
    429: "Too many attempts",
    503: "Not available now",
}
_WORDS = {
    400: "The request could not be understood.",
    404: "There is nothing at this address, or you may not see it.",
    405: "This address does not take that kind of request.",
}
_log = get_logger(__name__)


def status_of(error: WinnowError) -> int:
    """The HTTP status of a typed error."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 400)


def wants_json(request: Request) -> bool:
    """Whether the answer is JSON: anything under /api, or a request that accepts JSON and does not prefer HTML."""
    accept = request.headers.get("Accept", "")
    if request.url.path.startswith("/api/"):
        return True
    html, json_ = accept.find("text/html"), accept.find("application/json")
    return json_ >= 0 and (html < 0 or json_ < html)


def _wants_fragment(request: Request) -> bool:
    return request.headers.get("X-Fragment") == "1" or request.headers.get("X-Requested-With") == "fetch"


def error_response(
    request: Request, status: int, message: str, *, code: str = "error", detail: dict[str, Any] | None = None
) -> Response:
    """One refusal in the form this request wants."""
    if wants_json(request):
        body = {"error": {"code": code, "message": message, "detail": detail or {}}}
        return JSONResponse(body, status_code=status)
    title = _TITLES.get(status, "Something went wrong")
    template = "web/_error.html" if _wants_fragment(request) else "error.html"
    request_id = getattr(request.state, "request_id", "")
    context = {"title": title, "message": message, "request_id": request_id}
    return render(request, template, http_status=status, status=status, **context)


def _next_page(request: Request) -> str:
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return quote(path, safe="/")


def _on_winnow_error(request: Request, error: WinnowError) -> Response:
    is_visit = request.method == "GET" and not wants_json(request) and not _wants_fragment(request)
    if isinstance(error, NotSignedIn) and is_visit:
        return RedirectResponse(f"/sign-in?next={_next_page(request)}", status_code=303)
    if error.code == "password_change_needed" and is_visit:
        return RedirectResponse("/account/password", status_code=303)
    response = error_response(request, status_of(error), error.message, code=error.code, detail=error.detail)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, NotSignedIn):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _on_http_error(request: Request, error: HTTPException) -> Response:
    if not hasattr(request.state, "caller"):  # no route, so no rule has looked who asks; the page shows it
        request.state.caller = gatekeeper_of(request).identify(
            session_token=read_cookie(request, "session"), bearer=None
        )
    message = _WORDS.get(error.status_code, str(error.detail))
    response = error_response(request, error.status_code, message, code=f"http_{error.status_code}")
    response.headers.update(error.headers or {})
    return response


def _on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    if any(one["loc"][0] == "path" for one in error.errors()):
        return error_response(request, 404, _WORDS[404], code="not_found")
    return _on_winnow_error(request, said_plainly(list(error.errors())))


def _on_unstorable(request: Request, _: DataError) -> Response:
    """PostgreSQL takes no zero byte in a text; on both databases a number may be too large for its column."""
    message = "A value is out of range, or holds a character that cannot be stored."
    return error_response(request, 422, message, code="invalid")


def _on_fault(request: Request, error: Exception) -> Response:
    route = getattr(request.scope.get("route"), "path", "-")  # the address itself may hold a secret
    _log.error("fault", path=route, exc_info=error)
    message = "Winnow failed here. The fault is in the log, under the request number below."
    response = error_response(request, 500, message, code="fault")
    response.headers.update(SECURITY_HEADERS | {"X-Request-Id": request.state.request_id})
    return response


def install(app: FastAPI) -> None:
    """Make the application answer every error in our form."""
    app.add_exception_handler(WinnowError, _on_winnow_error)  # type: ignore[arg-type]  # Starlette types it for Exception
    app.add_exception_handler(HTTPException, _on_http_error)  # type: ignore[arg-type]  # as above
    app.add_exception_handler(RequestValidationError, _on_invalid_request)  # type: ignore[arg-type]  # as above
    app.add_exception_handler(DataError, _on_unstorable)  # type: ignore[arg-type]  # as above
    app.add_exception_handler(Exception, _on_fault)
