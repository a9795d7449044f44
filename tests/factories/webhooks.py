"""A real server that webhooks are sent to, and webhooks that lead to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from sqlalchemy import select

from app.core.clock import now
from app.core.database import write
from app.projects.webhook_events import announce_event
from app.projects.webhook_models import DeliveryState, WebhookAttempt, WebhookDelivery
from app.projects.webhooks import add_webhook

HOST = "127.0.0.1"
PUBLIC_ADDRESS = "https://93.184.215.14/winnow"


@dataclass
class Heard:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Listener:
    """What the server heard, and how it answers from now on."""

    port: int
    status: int = 204
    location: str = ""
    heard: list[Heard] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/hook"


@contextmanager
def listening() -> Iterator[Listener]:
    """A web server of this machine for a while."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listener.heard.append(Heard(self.path, dict(self.headers), body))
            self.send_response(listener.status)
            if listener.location:
                self.send_header("Location", listener.location)
            self.end_headers()
            self.wfile.write(b"an answer that nobody keeps")

        def do_GET(self) -> None:
            listener.heard.append(Heard(self.path, dict(self.headers), b""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer((HOST, 0), Answers)
    listener = Listener(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield listener
    finally:
        server.shutdown()
        server.server_close()


def make_webhook(project_id: int, address: str, *events: str, user_id: int | None = None) -> tuple[int, str]:
    """A webhook and its secret; its address is not checked, as if it had led elsewhere when it was."""
    with write() as session:
        chosen = list(events) or ["production.changed"]
        return add_webhook(session, project_id=project_id, address=address, events=chosen, user_id=user_id)


def written_webhook(project_id: int, mark: str = "") -> dict[str, int]:
    """A webhook of a public address, never reached, with a delivery that was given up; the ids of both.

    `mark` is a part of the address and of the text.
    """
    webhook_id, _ = make_webhook(project_id, f"{PUBLIC_ADDRESS}/{quote(mark)}")
    with write() as session:
        told = {"text": f"Version 3 {mark} is in production.", "path": "/models/3"}
        announce_event(session, project_id=project_id, event="production.changed", key="3", **told)
        delivery = session.scalars(select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)).one()
        delivery.state, delivery.attempts = DeliveryState.GIVEN_UP, 7
        problem = "the server answered with status 503"
        row = {"number": 7, "at": now(), "status": 503, "problem": problem, "milliseconds": 81}
        session.add(WebhookAttempt(delivery_id=delivery.id, **row))
        return {"webhook_id": webhook_id, "delivery_id": delivery.id}
