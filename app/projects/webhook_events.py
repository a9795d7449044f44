"""What webhooks can be told of, and the one function that announces it: in the transaction of what it tells.

An event is written down for each address that asked for it, together with the change itself. So nothing is sent for a
change that was rolled back, and a process that is killed loses nothing: `webhook_sending` finds the row.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, insert_into
from app.core.settings import get_settings
from app.projects.models import Project
from app.projects.webhook_models import DeliveryState, Webhook, WebhookDelivery


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of event: its name in the payload, and what it means."""

    name: str
    title: str


EVENTS: Final = (
    Event("training.ended", "A training run has ended"),
    Event("recipe.ended", "A recipe's training has ended, with all that follows"),
    Event("evaluation.ended", "An evaluation has ended"),
    Event("identification.ended", "An identification that somebody asked for has ended"),
    Event("import.ended", "An import has ended"),
    Event("export.ended", "An export has ended"),
    Event("candidates.found", "New images were found for classes below the cutoff, or for a watched class"),
    Event("unknowns.changed", "Unknowns look like something else to a newly promoted version"),
    Event("production.changed", "A version was promoted or rolled back"),
)
NAMES: Final = frozenset(event.name for event in EVENTS)
TEST: Final = "webhook.test"


def announce_event(
    session: Session, *, project_id: int, event: str, key: str, text: str, path: str, facts: Json | None = None
) -> int:
    """Write an event down for every address of the project that asked for it; returns for how many.

    Needs the write session of what it tells. The same `event` and `key` again are the same event, and sent once.
    `path` stands behind the project's address; `facts` are JSON values, never secrets. Raises ValueError for an event
    that is not in EVENTS.
    """
    if event not in NAMES:
        raise ValueError(f"an event is one of {', '.join(sorted(NAMES))}; received {event!r}")
    open_hooks = select(Webhook.id, Webhook.events).where(Webhook.project_id == project_id, Webhook.off_at.is_(None))
    asked = [hook_id for hook_id, events in session.execute(open_hooks).all() if event in events]
    write_down(session, asked, project_id=project_id, event=event, key=key, text=text, path=path, facts=facts)
    return len(asked)


def write_down(
    session: Session,
    webhook_ids: list[int],
    *,
    project_id: int,
    event: str,
    key: str,
    text: str,
    path: str,
    facts: Json | None = None,
) -> None:
    """Put an event into the outbox of these addresses, due at once."""
    if not webhook_ids:
        return
    at = now()
    project = session.get_one(Project, project_id)
    home = f"{get_settings().base_url}/projects/{project.slug}"
    event_id = "evt_" + hashlib.sha256(f"{project_id}\0{event}\0{key}".encode()).hexdigest()[:32]
    payload: Json = {
        "id": event_id,
        "event": event,
        "created_at": at.isoformat(timespec="seconds"),
        "project": {"slug": project.slug, "name": project.name},
        "text": text,
        "address": home + path,
        "facts": facts or {},
    }
    row = {"event_id": event_id, "event": event, "payload": payload, "state": DeliveryState.WAITING, "attempts": 0}
    rows = [{**row, "webhook_id": hook_id, "due_at": at, "created_at": at} for hook_id in sorted(webhook_ids)]
    statement = insert_into(session, WebhookDelivery)
    session.connection().execute(statement.on_conflict_do_nothing(index_elements=["webhook_id", "event_id"]), rows)
