"""A project's webhooks as its administrators keep them: added, tried, turned off and on, removed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select, true, update
from sqlalchemy.orm import Session

from app.accounts import audit
from app.core.clock import now
from app.core.egress import Egress, get_egress, parse_address
from app.core.errors import Conflict, InvalidInput, NotFound
from app.projects.webhook_events import EVENTS, NAMES, TEST, write_down
from app.projects.webhook_models import DeliveryState, Webhook, WebhookAttempt, WebhookDelivery
from app.projects.webhook_signing import secret_of

MOST: Final = 10
PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """A delivery with its last attempt. `status` is None where no server answered, or nothing was sent yet."""

    id: int
    event: str
    event_id: str
    text: str
    state: str
    attempts: int
    due_at: datetime
    created_at: datetime
    status: int | None
    problem: str | None
    milliseconds: int | None


def check_address(address: str, *, egress: Egress | None = None) -> str:
    """The address as it is kept. Raises InvalidInput or Forbidden for one that nothing may be sent to.

    What crosses networks is encrypted: http is for hosts that the settings allow. A name that does not resolve now may
    do so later. This asks a resolver, so no transaction may be open.
    """
    way_out = egress or get_egress()
    parsed = parse_address(address.strip())
    if parsed.scheme != "https" and parsed.host not in way_out.allowed_hosts:
        raise InvalidInput("a webhook's address begins with https://, unless the settings allow its host")
    try:
        way_out.pin(parsed)
    except OSError:
        return parsed.url
    return parsed.url


def add_webhook(
    session: Session, *, project_id: int, address: str, events: list[str], user_id: int | None
) -> tuple[int, str]:
    """Add a checked address (`check_address`); returns its id and its secret, which is seen this once.

    Raises InvalidInput for no event or one that does not exist, Conflict for the same address again or too many.
    """
    wanted = _known_events(events)
    own = select(Webhook.address).where(Webhook.project_id == project_id)
    known = session.scalars(own).all()
    if address in known:
        raise Conflict("this address is told already: its events can be changed")
    if len(known) >= MOST:
        raise Conflict(f"a project has at most {MOST} webhooks; this one has {len(known)}")
    salt = secrets.token_hex(16)
    hook = Webhook(
        project_id=project_id, address=address, events=wanted, salt=salt, created_at=now(), created_by=user_id
    )
    session.add(hook)
    session.flush()
    _audit(session, "webhook.added", hook, user_id)
    return hook.id, secret_of(salt)


def _known_events(events: list[str]) -> list[str]:
    wanted = set(events)
    if not wanted or not NAMES.issuperset(wanted):
        raise InvalidInput(f"a webhook asks for at least one of {', '.join(sorted(NAMES))}; received {events!r:.200}")
    return [event.name for event in EVENTS if event.name in wanted]


def change_events(
    session: Session, webhook_id: int, events: list[str], *, project_id: int, user_id: int | None
) -> None:
    """Have an address told of other events from now on. Raises NotFound, InvalidInput."""
    hook = get_webhook(session, webhook_id, project_id)
    wanted = _known_events(events)
    if wanted != hook.events:
        hook.events = wanted
        _audit(session, "webhook.events", hook, user_id)


def _audit(session: Session, action: str, hook: Webhook, user_id: int | None) -> None:
    """Only the host: the rest of an address may be a secret of its own."""
    subject, detail = parse_address(hook.address).host, {"events": hook.events}
    audit.write(session, action=action, subject=subject, user_id=user_id, project_id=hook.project_id, detail=detail)


def get_webhook(session: Session, webhook_id: int, project_id: int) -> Webhook:
    """A webhook of this project. Raises NotFound."""
    hook = session.scalar(select(Webhook).where(Webhook.id == webhook_id, Webhook.project_id == project_id))
    if hook is None:
        raise NotFound(f"no webhook {webhook_id} in this project")
    return hook


def list_webhooks(session: Session, project_id: int) -> list[Webhook]:
    """A project's webhooks, in the order they were added."""
    return list(session.scalars(select(Webhook).where(Webhook.project_id == project_id).order_by(Webhook.id)))


def remove_webhook(session: Session, webhook_id: int, *, project_id: int, user_id: int | None) -> None:
    """Forget an address, what waits for it and how sending went. Raises NotFound."""
    hook = get_webhook(session, webhook_id, project_id)
    _audit(session, "webhook.removed", hook, user_id)
    session.delete(hook)


def turn(session: Session, webhook_id: int, *, on: bool, project_id: int, user_id: int | None) -> None:
    """Send again, or nothing for the time being: what waits stays. Raises NotFound."""
    hook = get_webhook(session, webhook_id, project_id)
    if on == (hook.off_at is None):
        return
    hook.off_at, hook.off_reason = (None, "") if on else (now(), "turned off")
    _audit(session, "webhook.on" if on else "webhook.off", hook, user_id)


def request_test(session: Session, webhook_id: int, *, project_id: int, user_name: str) -> None:
    """Have a test event sent, like any other. Raises NotFound, Conflict for one that is off."""
    hook = get_webhook(session, webhook_id, project_id)
    if hook.off_at is not None:
        raise Conflict("nothing is sent to a webhook that is off: turn it on first")
    write_down(
        session,
        [hook.id],
        project_id=project_id,
        event=TEST,
        key=f"{hook.id}:{secrets.token_hex(8)}",
        text=f"{user_name} sent this to see whether it arrives.",
        path=f"/webhooks/{hook.id}",
    )


def send_again(session: Session, delivery_id: int, *, webhook_id: int, project_id: int) -> None:
    """Send an event that was given up from the start again. Raises NotFound, Conflict for one that was not."""
    hook = get_webhook(session, webhook_id, project_id)
    own = (WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == hook.id)
    state = session.scalar(select(WebhookDelivery.state).where(*own))
    if state is None:
        raise NotFound(f"no delivery {delivery_id} of this webhook")
    if state != DeliveryState.GIVEN_UP:
        raise Conflict(f"only a delivery that was given up is sent again; this one is {state}")
    # Attempts are counted on, so that the same number is never noted twice: one more is made, and it is the last.
    session.execute(update(WebhookDelivery).where(*own).values(state=DeliveryState.WAITING, due_at=now()))


def deliveries(
    session: Session, webhook_id: int, *, before: int | None = None, limit: int = PAGE
) -> list[DeliveryLine]:
    """What was sent and what waits, newest first; `before` is the id that ended the page before."""
    earlier = WebhookDelivery.id < before if before is not None else true()
    is_last = (WebhookAttempt.delivery_id == WebhookDelivery.id) & (WebhookAttempt.number == WebhookDelivery.attempts)
    rows = session.execute(
        select(WebhookDelivery, WebhookAttempt.status, WebhookAttempt.problem, WebhookAttempt.milliseconds)
        .outerjoin(WebhookAttempt, is_last)
        .where(WebhookDelivery.webhook_id == webhook_id, earlier)
        .order_by(WebhookDelivery.id.desc())
        .limit(limit)
    )
    return [
        DeliveryLine(
            id=row.id,
            event=row.event,
            event_id=row.event_id,
            text=str(row.payload.get("text", "")),
            state=row.state,
            attempts=row.attempts,
            due_at=row.due_at,
            created_at=row.created_at,
            status=status,
            problem=problem,
            milliseconds=milliseconds,
        )
        for row, status, problem, milliseconds in rows
    ]


def waiting_counts(session: Session, project_id: int) -> dict[int, int]:
    """How many events wait for each webhook that has any."""
    rows = session.execute(
        select(WebhookDelivery.webhook_id, func.count())
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(Webhook.project_id == project_id, WebhookDelivery.state == DeliveryState.WAITING)
        .group_by(WebhookDelivery.webhook_id)
    )
    return {row[0]: row[1] for row in rows}
