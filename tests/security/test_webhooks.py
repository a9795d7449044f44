"""Webhooks lead to public hosts alone, whenever the name is resolved, and what they send or hear leaks nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from sqlalchemy import inspect, select, text

from app.accounts.models import AuditEntry
from app.core.clock import now
from app.core.database import get_engine, read, write
from app.core.egress import Egress
from app.projects.models import Project
from app.projects.webhook_events import announce_event
from app.projects.webhook_models import Webhook, WebhookAttempt
from app.projects.webhook_sending import deliver_due
from tests.factories.webhooks import HOST, Listener, listening, make_webhook
from tests.security.test_egress import LOCAL, PUBLIC, REFUSED
from tests.web_client import SignInAs

BAD = (
    *("https://127.0.0.1/h", "https://localhost/h", "https://[::1]/h", "https://169.254.169.254/latest/meta-data/"),
    *("https://10.0.0.8/h", "https://[::ffff:127.0.0.1]/h", "https://[fd00:ec2::254]/h", f"http://{PUBLIC}/h"),
    *("https://user:pass@example.org/h", "https://example.org@127.0.0.1/h", "https://2130706433/", "https://127.1/"),
    *("file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "javascript:alert(1)", "//example.org/h", ""),
)


@pytest.fixture
def listener(installation: object) -> Iterator[Listener]:  # noqa: ARG001 - must exist first
    with listening() as found:
        yield found


def announce(project: Project) -> None:
    with write() as session:
        announce_event(session, project_id=project.id, event="production.changed", key="k", text="t", path="/")


def problems() -> list[tuple[int | None, str]]:
    with read() as session:
        return [(each.status, each.problem) for each in session.scalars(select(WebhookAttempt))]


def way_out(*resolved: str) -> Egress:
    """A way out whose resolver gives each of these in turn; a public address leads nowhere."""
    answers = list(resolved)

    def connect(where: tuple[str, int], limit: float) -> socket.socket:
        if where[0] == PUBLIC:
            raise OSError(f"went to {PUBLIC}")
        return socket.create_connection(where, timeout=limit)

    return Egress(frozenset(), 5.0, resolve=lambda *_: [answers.pop(0)], connect=connect)


def test_no_address_but_a_public_one_over_https_can_be_added(sign_in_as: SignInAs, project: Project):
    browser = sign_in_as("administrator")
    for address in BAD:
        sent = {"address": address, "events": ["production.changed"]}
        answer = browser.post(f"/projects/{project.slug}/webhooks", data=sent)
        assert answer.status_code in (403, 422), address
        assert "whsec_" not in answer.text
    with read() as session:
        assert session.scalars(select(Webhook)).all() == []


def test_each_is_checked_again_when_something_is_sent(listener: Listener, project: Project):
    hosts = [f"[{address}]" if ":" in address else address for address in LOCAL]
    addresses = [f"http://{host}:{listener.port}/h" for host in hosts] + [*REFUSED]
    kept = {"project_id": project.id, "events": ["production.changed"], "created_at": now()}
    with write() as session:
        session.add_all(Webhook(address=address, salt=address[:40], **kept) for address in addresses)
    announce(project)
    while deliver_due():
        pass
    assert len(problems()) == len(addresses)
    assert all(status is None and problem for status, problem in problems())
    assert listener.heard == []


def test_a_name_that_leads_elsewhere_by_now_is_refused_and_the_address_that_was_checked_is_used(
    listener: Listener, project: Project
):
    make_webhook(project.id, f"http://rebinding.example:{listener.port}/h")
    announce(project)
    deliver_due(egress=way_out("127.0.0.1"))
    assert "only public hosts" in problems()[0][1]
    make_webhook(project.id, f"http://changing.example:{listener.port}/h", "training.ended")
    with write() as session:
        announce_event(session, project_id=project.id, event="training.ended", key="k", text="t", path="/")
    deliver_due(egress=way_out(PUBLIC, "127.0.0.1"))
    assert f"went to {PUBLIC}" in [problem for _, problem in problems()]
    assert listener.heard == []


def test_a_redirect_is_not_followed_wherever_it_leads(
    listener: Listener, project: Project, monkeypatch: pytest.MonkeyPatch
):
    from app.core.settings import get_settings

    monkeypatch.setenv("WINNOW_EGRESS_ALLOWED_HOSTS", f'["{HOST}"]')
    get_settings.cache_clear()
    make_webhook(project.id, listener.address)
    listener.status, listener.location = 307, f"http://{HOST}:{listener.port}/secret"
    announce(project)
    deliver_due()
    assert [heard.path for heard in listener.heard] == ["/hook"]
    assert problems() == [(307, "the address redirects, and a redirect is not followed")]


def test_no_secret_and_nothing_of_an_answer_is_stored_and_the_audit_names_the_host_alone(
    listener: Listener, project: Project
):
    hook_id, secret = make_webhook(project.id, listener.address + "?token=very-private")
    announce(project)
    deliver_due(egress=Egress(frozenset({HOST}), 5.0))
    assert len(listener.heard) == 1
    with get_engine().connect() as connection:
        for table in inspect(connection).get_table_names():
            stored = str(connection.execute(text(f'SELECT * FROM "{table}"')).all())  # noqa: S608 - our own names
            assert secret.removeprefix("whsec_") not in stored, table
            assert "nobody keeps" not in stored, table
            assert "very-private" not in stored or table == "webhook", table
    with read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "webhook.added")).one()
    assert entry.subject == HOST
    assert hook_id
