"""The description of the JSON API, and of nothing else: pages are not in it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from starlette.responses import JSONResponse

from app.web.dependencies import public
from app.web.error_handlers import STATUSES

API_PREFIX = "/api/v1"
router = APIRouter(include_in_schema=False)

_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "detail"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "detail": {"type": "object"},
            },
        }
    },
}
API_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": kind.__doc__ or "", "content": {"application/json": {"schema": _ERROR_SCHEMA}}}
    for status, kind in {400: ValueError, **{status: kind for kind, status in STATUSES.items()}}.items()
}
API_ERRORS[400]["description"] = "The request could not be understood."


def describe(routes: list[Any]) -> dict[str, Any]:
    """OpenAPI of every route under /api/v1, each with the answers that errors give."""
    described = [route for route in iter_route_contexts(routes) if (route.path or "").startswith(API_PREFIX)]
    document = get_openapi(title="Winnow", version="1", description=__doc__, routes=described)
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            for status, response in API_ERRORS.items():
                operation["responses"][str(status)] = response
    return document


@router.get(API_PREFIX + "/openapi.json", dependencies=[Depends(public)])
def openapi(request: Request) -> JSONResponse:
    """The description itself."""
    return JSONResponse(describe(request.app.routes))
