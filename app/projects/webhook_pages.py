"""The pages of a project's webhooks, for its administrators: addresses with their events, and what was sent."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.core.database import read, write
from app.core.egress import MAX_ADDRESS
from app.core.errors import WinnowError
from app.projects import webhook_sending, webhooks
from app.projects.webhook_events import EVENTS
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import status_of
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/webhooks", include_in_schema=False)
Administrator = Annotated[Access, Depends(require("administrator"))]
RowId = Annotated[int, Path(ge=1, le=2**62)]
Before = Annotated[int | None, Query(ge=1, le=2**62)]


class NewWebhook(BaseModel):
    """The form that adds an address."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    address: str = Field(max_length=MAX_ADDRESS)
    events: list[Annotated[str, Field(max_length=40)]] = Field(default_factory=list, max_length=len(EVENTS))


class ChosenEvents(BaseModel):
    """The form that changes what an address is told."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    events: list[Annotated[str, Field(max_length=40)]] = Field(default_factory=list, max_length=len(EVENTS))


def _list_page(request: Request, access: Access, *, http_status: int = 200, **told: Any) -> Response:
    with read() as session:
        hooks = webhooks.list_webhooks(session, access.project.id)
        waiting = webhooks.waiting_counts(session, access.project.id)
    context: dict[str, Any] = {"hooks": hooks, "waiting": waiting, "events": EVENTS}
    context |= {"error": "", "sent": {"address": "", "events": []}, "secret": "", "most": webhooks.MOST} | told
    return render(request, "projects/webhooks.html", http_status=http_status, **context)


@router.get("")
def webhooks_page(request: Request, access: Administrator) -> Response:
    """The addresses that are told what happens here, and the form that adds one."""
    return _list_page(request, access)


@router.post("")
def add_webhook(request: Request, access: Administrator, form: FormFields) -> Response:
    """Add an address and show its secret, this once."""
    try:
        sent = parsed(NewWebhook, form)
        address = webhooks.check_address(sent.address)
        with write() as session:
            _, secret = webhooks.add_webhook(
                session, project_id=access.project.id, address=address, events=sent.events, user_id=access.user_id
            )
    except WinnowError as error:
        again = {"address": str(form.get("address", ""))[:MAX_ADDRESS], "events": form.getlist("events")}
        return _list_page(request, access, http_status=status_of(error), error=error.message, sent=again)
    return _list_page(request, access, secret=secret)


@router.get("/{webhook_id}")
def webhook_page(request: Request, access: Administrator, webhook_id: RowId, before: Before = None) -> Response:
    """One address: what was sent, what waits, how it was answered."""
    size = webhooks.PAGE
    with read() as session:
        hook = webhooks.get_webhook(session, webhook_id, access.project.id)
        found = webhooks.deliveries(session, webhook_id, before=before, limit=size + 1)
    older = found[size - 1].id if len(found) > size else None
    context: dict[str, Any] = {"hook": hook, "deliveries": found[:size], "older": older, "before": before}
    context["most_attempts"] = len(webhook_sending.PAUSES) + 1
    return render(request, "projects/webhook.html", events=EVENTS, **context)


@router.post("/{webhook_id}/events")
def change_events(access: Administrator, webhook_id: RowId, form: FormFields) -> Response:
    """Have the address told of other events."""
    chosen = parsed(ChosenEvents, form).events
    with write() as session:
        webhooks.change_events(session, webhook_id, chosen, project_id=access.project.id, user_id=access.user_id)
    return _back(access, webhook_id, "The events are saved.")


@router.post("/{webhook_id}/test")
def test_webhook(access: Administrator, webhook_id: RowId) -> Response:
    """Send a test event."""
    with write() as session:
        webhooks.request_test(session, webhook_id, project_id=access.project.id, user_name=access.user_name)
    return _back(access, webhook_id, "The test is on its way: its answer is listed below within seconds.")


@router.post("/{webhook_id}/on")
def turn_on(access: Administrator, webhook_id: RowId) -> Response:
    """Send again."""
    with write() as session:
        webhooks.turn(session, webhook_id, on=True, project_id=access.project.id, user_id=access.user_id)
    return _back(access, webhook_id, "It is on: what waited is sent now.")


@router.post("/{webhook_id}/off")
def turn_off(access: Administrator, webhook_id: RowId) -> Response:
    """Send nothing for the time being."""
    with write() as session:
        webhooks.turn(session, webhook_id, on=False, project_id=access.project.id, user_id=access.user_id)
    return _back(access, webhook_id, "It is off: nothing is sent until it is turned on.")


@router.post("/{webhook_id}/deliveries/{delivery_id}/again")
def send_again(access: Administrator, webhook_id: RowId, delivery_id: RowId) -> Response:
    """Send once more what was given up."""
    with write() as session:
        webhooks.send_again(session, delivery_id, webhook_id=webhook_id, project_id=access.project.id)
    return _back(access, webhook_id, "It is sent once more.")


@router.post("/{webhook_id}/remove")
def remove_webhook(access: Administrator, webhook_id: RowId) -> Response:
    """Forget an address."""
    with write() as session:
        webhooks.remove_webhook(session, webhook_id, project_id=access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/webhooks", "The webhook is removed.")


def _back(access: Access, webhook_id: int, words: str) -> Response:
    return redirect(f"/projects/{access.project.slug}/webhooks/{webhook_id}", words)
