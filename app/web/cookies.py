"""The three cookies: the session, the visit of someone not signed in (so that sign-in too is protected), a notice."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from app.core.settings import get_settings

NOTICE_SECONDS = 60


def cookie_name(word: str) -> str:
    """`winnow_session` and the like; over HTTPS with the prefix that ties a cookie to this very host."""
    return f"__Host-winnow_{word}" if get_settings().secure_cookies else f"winnow_{word}"


def read_cookie(request: Request, word: str) -> str | None:
    """The cookie's value, or None."""
    return request.cookies.get(cookie_name(word)) or None


def set_cookie(response: Response, word: str, value: str, *, seconds: int | None = None) -> None:
    """Send a cookie that no script reads; without `seconds` it lasts until the browser closes."""
    response.set_cookie(
        cookie_name(word),
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="lax",
        secure=get_settings().secure_cookies,
    )


def drop_cookie(response: Response, word: str) -> None:
    """Take a cookie back."""
    response.delete_cookie(
        cookie_name(word), path="/", httponly=True, samesite="lax", secure=get_settings().secure_cookies
    )
