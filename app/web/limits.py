"""How much a request may send: little, unless its route says that it takes uploads.

@router.post("/projects/{slug}/uploads")
@accepts_upload(lambda: get_settings().max_upload_bytes)
def upload(access: ..., form: FormFields) -> Response: ...
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FORM_BYTES = 4 * 2**20
_ENVELOPE_BYTES = 64 * 2**10

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])
_UPLOADS: dict[Callable[..., object], Callable[[], int]] = {}


def accepts_upload(most_bytes: Callable[[], int]) -> Callable[[Endpoint], Endpoint]:
    """Lets a route take up to `most_bytes()` (plus the form around them) instead of 4 MiB."""

    def mark(endpoint: Endpoint) -> Endpoint:
        _UPLOADS[endpoint] = most_bytes
        return endpoint

    return mark


class BodyLimit:
    """ASGI middleware: a body over its route's limit ends in 413, by its declared length or as it arrives."""

    def __init__(self, app: ASGIApp, *, routes_of: FastAPI) -> None:
        self.app = app
        self._routes_of = routes_of
        self._uploads: list[tuple[re.Pattern[str], Callable[[], int]]] | None = None

    def _limit(self, path: str) -> int:
        if self._uploads is None:
            self._uploads = [
                (compile_path(route.path)[0], _UPLOADS[route.endpoint])
                for route in iter_route_contexts(self._routes_of.routes)
                if route.path and route.endpoint in _UPLOADS
            ]
        return next((most() + _ENVELOPE_BYTES for regex, most in self._uploads if regex.match(path)), FORM_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what is read of its body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        declared = Headers(scope=scope).get("Content-Length", "0")
        seen = 0

        async def receive_within_limit() -> Message:
            nonlocal seen
            if declared.isdigit() and int(declared) > limit:
                raise _too_large(limit)
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _too_large(limit)
            return message

        await self.app(scope, receive_within_limit, send)


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"At most {limit:,} bytes may be sent here.")
