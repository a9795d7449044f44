"""Protection against forged requests, twice over: where the request says it comes from, and a token of the session.

The token is an HMAC of the session (or, before sign-in, of a random visit cookie) under the installation's secret, so
that nothing is stored and two installations never share one.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from app.core.errors import Forbidden, InvalidInput
from app.core.settings import get_settings
from app.web.cookies import read_cookie
from app.web.secret import keyed_digest

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_REFUSAL = "This form has expired. Reload the page and send it again."


def session_csrf_token(session_token: str) -> str:
    """The token that forms of this session carry."""
    return keyed_digest("csrf-session", session_token)


def visit_csrf_token(visit: str) -> str:
    """The token that forms carry before sign-in."""
    return keyed_digest("csrf-visit", visit)


def visit_of(request: Request) -> str:
    """The random value of this browser's visit, made when there is none yet; `render` sends it as a cookie."""
    if not hasattr(request.state, "visit"):
        request.state.visit = read_cookie(request, "visit") or secrets.token_urlsafe(32)
    visit: str = request.state.visit
    return visit


def token_for(request: Request) -> str:
    """The token that a page made for this request puts in its forms."""
    session_token = read_cookie(request, "session")
    if getattr(request.state, "caller", None) is not None and session_token:
        return session_csrf_token(session_token)
    return visit_csrf_token(visit_of(request))


async def _sent_token(request: Request) -> str:
    header = request.headers.get("X-CSRF-Token")
    if header is not None:
        return header
    if request.headers.get("Content-Type", "").startswith(_FORM_TYPES):
        sent = (await request.form()).get("csrf_token")
        return sent if isinstance(sent, str) else ""
    return ""


def check_charset(request: Request) -> None:
    """Raises InvalidInput for a body in another encoding than UTF-8: any codec of Python's could be named there."""
    _, options = parse_options_header(request.headers.get("Content-Type", ""))
    charset = options.get(b"charset", b"utf-8").decode("latin-1").lower()
    if charset not in ("utf-8", "utf8"):
        raise InvalidInput(f"A request is sent in UTF-8; received {charset[:40]!r}.", code="charset")


def _site_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # brackets that do not match
        return ""


def check_origin(request: Request) -> None:
    """Raises Forbidden when the browser says that another site sent this."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        raise Forbidden("This request came from another site and was refused.", code="cross_site")
    origin = request.headers.get("Origin")
    if origin is None:
        return
    ours = {request.headers.get("Host", ""), urlsplit(get_settings().base_url).netloc}
    if _site_of(origin) not in ours - {""}:
        raise Forbidden("This request came from another site and was refused.", code="cross_site")


async def check_token(request: Request) -> None:
    """Raises Forbidden unless the request carries the token of its session, or of its visit before sign-in."""
    expected = token_for(request)
    sent = await _sent_token(request)
    if not hmac.compare_digest(expected.encode(), sent.encode("utf-8", "replace")):
        raise Forbidden(_REFUSAL, code="csrf")
