"""TensorBoard of a project, for its engineers: read only, behind the same rule as every other page.

It is asked by GET alone: in the mode that notebooks use, its scripts send no POST, so none has to be let through.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from app.training.tensorboards import ProjectBoard, board_of
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/projects/{slug}/tensorboard", include_in_schema=False)
Engineer = Annotated[Access, Depends(require("engineer"))]
NOTEBOOK_MODE: Final = "tensorboardColab"
_POLICY: Final = (
    "default-src 'none'; {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'self'"
)


class BoardAnswer(Response):
    """Whatever TensorBoard answers, under a policy that lets its own scripts and inline styles work."""

    def __init__(self, board: ProjectBoard) -> None:
        super().__init__()
        self._board = board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on to TensorBoard."""

        async def send_under_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = Headers(raw=message["headers"]).get("Content-Security-Policy", "")
                scripts = [part.strip() for part in own.split(";") if part.strip().startswith("script-src ")]
                if scripts:
                    told = scripts[0].replace("'unsafe-eval'", "")  # only for a dashboard that is not loaded
                    scope["state"]["content_policy"] = _POLICY.format(scripts=told)
            await send(message)

        await self._board.asgi(scope, receive, send_under_policy)


@router.get("")
def open_board(request: Request, access: Engineer) -> Response:
    """On to the address that TensorBoard's relative links need."""
    return _to_board(request, access)


@router.get("/{path:path}")
def board(request: Request, access: Engineer, path: str) -> Response:
    """TensorBoard over this project's logs."""
    if not path and NOTEBOOK_MODE not in request.query_params:
        return _to_board(request, access)
    return BoardAnswer(board_of(access.project.id, _prefix(access)))


def _to_board(request: Request, access: Access) -> Response:
    asked = "&".join(part for part in (f"{NOTEBOOK_MODE}=true", request.url.query) if part)
    return RedirectResponse(f"{_prefix(access)}/?{asked}", status_code=303)


def _prefix(access: Access) -> str:
    return f"/projects/{access.project.slug}/tensorboard"
