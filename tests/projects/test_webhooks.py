"""Webhooks: announced with the change they tell of, signed, sent at least once, given up in the end."""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.core.clock import now
from app.core.database import read, write
from app.core.egress import Egress
from app.core.errors import Conflict
from app.core.settings import get_settings
from app.projects.models import Project
from app.projects.notices import newest_notices
from app.projects.webhook_events import EVENTS, announce_event
from app.projects.webhook_models import Webhook, WebhookAttempt, WebhookDelivery
from app.projects.webhook_sending import KEPT, PAUSES, deliver_due
from app.runs.kinds import RUN_KINDS
from app.runs.telling import EVENT_OF_KIND, TOLD_AFTER
from tests.factories.accounts import make_user
from tests.factories.projects import add_member
from tests.factories.webhooks import HOST, Listener, listening, make_webhook
from tests.web_client import SignInAs

LONGEST = max(PAUSES) + timedelta(minutes=5)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch, installation: object) -> Iterator[Listener]:  # noqa: ARG001 - must exist first
    monkeypatch.setenv("WINNOW_EGRESS_ALLOWED_HOSTS", f'["{HOST}"]')
    get_settings.cache_clear()
    with listening() as found:
        yield found


def promoted(project_id: int, key: str = "deployment:1", **options: Any) -> None:
    with write() as session:
        told = {"text": "Version 3 is in production.", "path": "/models/3", "facts": {"number": 3}, **options}
        announce_event(session, project_id=project_id, event="production.changed", key=key, **told)


def deliveries() -> list[WebhookDelivery]:
    with read() as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))


def test_an_event_is_sent_once_to_who_asked_and_signed_as_documented(listener: Listener, project: Project):
    _, secret = make_webhook(project.id, listener.address)
    make_webhook(project.id, listener.address + "2", "training.ended")
    promoted(project.id)
    promoted(project.id)
    assert deliver_due() == 1
    assert deliver_due() == 0
    (heard,) = listener.heard
    assert heard.payload["event"] == "production.changed"
    assert heard.payload["project"] == {"slug": project.slug, "name": project.name}
    assert heard.payload["address"].endswith(f"/projects/{project.slug}/models/3")
    assert heard.payload["id"] == heard.headers["Winnow-Event-Id"]
    sent_at, signed = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", heard.headers["Winnow-Signature"]).groups()
    assert hmac.new(secret.encode(), sent_at.encode() + b"." + heard.body, hashlib.sha256).hexdigest() == signed
    assert abs(int(sent_at) - now().timestamp()) < 60


def test_what_is_rolled_back_is_never_sent(listener: Listener, project: Project):
    make_webhook(project.id, listener.address)

    def fails() -> None:
        with write() as session:
            announce_event(session, project_id=project.id, event="production.changed", key="k", text="t", path="/")
            raise Conflict("somebody was first")

    with pytest.raises(Conflict):
        fails()
    assert deliver_due() == 0
    assert listener.heard == []


def test_a_sender_that_dies_leaves_the_event_due_again_under_the_same_id(listener: Listener, project: Project):
    make_webhook(project.id, listener.address)
    promoted(project.id)

    def dies(where: tuple[str, int], limit: float) -> socket.socket:
        socket.create_connection(where, timeout=limit).close()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver_due(egress=Egress(frozenset({HOST}), 5.0, connect=dies))
    assert deliver_due() == 0, "the lease still holds"
    assert deliver_due(at=now() + timedelta(minutes=5)) == 1
    assert [each.state for each in deliveries()] == ["delivered"]
    assert listener.heard[-1].headers["Winnow-Event-Id"] == deliveries()[0].event_id


def test_a_failing_address_is_tried_after_growing_pauses_then_turned_off_with_a_notice(
    listener: Listener, project: Project
):
    with write() as session:
        owner = make_user(session).id
        add_member(session, project_id=project.id, user_id=owner, role="administrator")
    hook_id, _ = make_webhook(project.id, listener.address)
    promoted(project.id)
    listener.status = 503
    at = now()
    for pause in (timedelta(0), *PAUSES):
        at += pause
        assert deliver_due(at=at + timedelta(seconds=1)) == 1
        assert deliver_due(at=at + timedelta(seconds=2)) == 0, "not before its time"
        at += timedelta(seconds=1)
    assert [heard.headers["Winnow-Attempt"] for heard in listener.heard] == ["1", "2", "3", "4", "5", "6", "7"]
    assert [each.state for each in deliveries()] == ["given_up"]
    with read() as session:
        assert "503" in session.get_one(Webhook, hook_id).off_reason
        (notice,) = newest_notices(session, owner, is_administrator=False)
        attempts = session.scalars(select(WebhookAttempt).order_by(WebhookAttempt.number)).all()
    assert notice.address.endswith(f"/webhooks/{hook_id}")
    assert [each.status for each in attempts] == [503] * 7
    promoted(project.id, key="deployment:2")
    assert deliver_due(at=at + LONGEST) == 0, "nothing is announced to one that is off"
    assert deliver_due(at=at + KEPT + LONGEST) == 0
    assert deliveries() == [], "what ended long ago is forgotten"


def test_one_that_took_something_meanwhile_stays_on(listener: Listener, project: Project):
    hook_id, _ = make_webhook(project.id, listener.address)
    promoted(project.id)
    at = now()
    for pause in (timedelta(0), *PAUSES):
        listener.status = 500
        at += pause + timedelta(seconds=1)
        deliver_due(at=at)
    listener.status = 200
    with write() as session:
        session.get_one(Webhook, hook_id).off_at = None
        session.execute(select(WebhookDelivery)).scalars().one().state = "waiting"
    assert deliver_due(at=at) == 1
    assert [each.state for each in deliveries()] == ["delivered"]
    assert deliveries()[0].attempts == len(PAUSES) + 2


def test_an_administrator_adds_tries_and_removes_one_and_sees_the_secret_once(
    listener: Listener, sign_in_as: SignInAs, project: Project
):
    browser, base = sign_in_as("administrator"), f"/projects/{project.slug}/webhooks"
    added = browser.post(base, data={"address": listener.address, "events": ["recipe.ended", "training.ended"]})
    secret = re.search(r"whsec_[0-9a-f]{64}", added.text).group()
    with read() as session:
        hook = session.scalars(select(Webhook)).one()
    page = f"{base}/{hook.id}"
    assert hook.events == ["training.ended", "recipe.ended"]
    assert secret not in browser.get(base).text + browser.get(page).text
    assert browser.post(f"{page}/test").status_code == 303
    assert deliver_due() == 1
    assert listener.heard[0].payload["event"] == "webhook.test"
    assert "204 in" in browser.get(page).text
    assert browser.post(f"{page}/events", data={"events": ["import.ended"]}).status_code == 303
    assert browser.post(f"{page}/off").status_code == 303
    assert browser.post(f"{page}/test").status_code == 409
    assert browser.post(f"{page}/on").status_code == 303
    assert browser.post(f"{page}/remove").status_code == 303
    assert deliveries() == []


def test_every_event_of_a_run_is_one_that_can_be_asked_for():
    assert set(EVENT_OF_KIND.values()) <= {event.name for event in EVENTS}
    assert set(EVENT_OF_KIND) | set(TOLD_AFTER) <= set(RUN_KINDS)
