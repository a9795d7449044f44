"""Keys of one's own: the page that lists and changes them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput
from app.core.texts import tr
from app.labelling import key_bindings
from app.labelling.screen_schemas import KeyForm
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import status_of
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter()
Labeller = Annotated[Access, Depends(require("labeller"))]


@router.get("/label/keys")
def keys_page(request: Request, access: Labeller) -> Response:
    """Every command of the labelling screen with its key."""
    return _page(request, access)


@router.post("/label/keys")
def change_key(request: Request, access: Labeller, form: FormFields) -> Response:
    """Another key for one command; an empty one gives the usual key back. A refusal stands at the command."""
    sent = parsed(KeyForm, form)
    try:
        with write() as session:
            key_bindings.bind_key(session, user_id=access.user_id, command=sent.command, key=sent.key)
    except (Conflict, InvalidInput) as error:
        return _page(request, access, refused=sent.command, why=error.message, http_status=status_of(error))
    return redirect(f"/projects/{access.project.slug}/label/keys", tr("Saved."))


@router.post("/label/keys/usual")
def usual_keys(access: Labeller) -> Response:
    """The usual keys for every command."""
    with write() as session:
        key_bindings.forget_keys(session, access.user_id)
    return redirect(f"/projects/{access.project.slug}/label/keys", tr("All commands have their usual keys again."))


def _page(request: Request, access: Access, *, refused: str = "", why: str = "", http_status: int = 200) -> Response:
    with read() as session:
        commands = key_bindings.commands_of(session, access.user_id)
    context: dict[str, Any] = {"commands": commands, "refused": refused, "why": why}
    return render(request, "labelling/keys.html", active="label", http_status=http_status, **context)
