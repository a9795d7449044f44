"""One log line a request, under a number that error pages show too.

What is logged is the route's pattern, not the address: that may hold a secret.
"""

from __future__ import annotations

import secrets
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.logging import get_logger

_log = get_logger(__name__)


class RequestTrail:
    """ASGI middleware: numbers the request, binds the number to every log line, logs the outcome."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and log it when its response has been sent."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.monotonic(), 500

        async def send_numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                await self.app(scope, receive, send_numbered)
            finally:
                _log_outcome(scope, status, time.monotonic() - started)


def _log_outcome(scope: Scope, status: int, seconds: float) -> None:
    path = getattr(scope.get("route"), "path", None) or ("/static" if scope["path"].startswith("/static/") else "-")
    write = _log.debug if path in ("/static", "/health") else _log.info
    write("request", method=scope["method"], path=path, status=status, ms=round(1000 * seconds))
