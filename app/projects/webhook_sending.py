"""Sending what waits in the outbox of webhooks: at least once, again after a pause that grows, given up in the end.

A delivery is taken by moving its due time, sent while no transaction is open, and noted. A sender that dies in between
leaves it due again after the lease, so an event may arrive twice; its id tells.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, insert_into, read, write
from app.core.egress import Egress, get_egress, parse_address
from app.core.errors import WinnowError
from app.projects.models import Member
from app.projects.notices import tell
from app.projects.webhook_models import DeliveryState, Webhook, WebhookAttempt, WebhookDelivery
from app.projects.webhook_signing import secret_of, signature

PAUSES: Final = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)
LIMIT_S: Final = 10.0
AT_ONCE: Final = 16
KEPT: Final = timedelta(days=30)
_LEASE: Final = timedelta(minutes=3)
_LONGEST_PROBLEM: Final = 200
_SWEPT: Final = 500
_GOOD: Final = range(200, 300)
_ELSEWHERE: Final = range(300, 400)


@dataclass(frozen=True, slots=True)
class _Due:
    """A delivery that was taken. `attempts` is how often it was sent before."""

    id: int
    webhook_id: int
    event: str
    event_id: str
    payload: Json
    attempts: int
    address: str
    salt: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    due: _Due
    at: datetime
    status: int | None
    problem: str
    milliseconds: int

    @property
    def is_good(self) -> bool:
        return not self.problem


def deliver_due(*, egress: Egress | None = None, at: datetime | None = None) -> int:
    """Send what is due at `at` (now, unless said otherwise), AT_ONCE at most; returns how many were tried."""
    due = _take(at or now())
    if due:
        out = egress or get_egress()
        out = replace(out, seconds=min(LIMIT_S, out.seconds))
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
            outcomes = list(pool.map(lambda each: _send(out, each, at or now()), due))
        with write() as session:
            for outcome in outcomes:
                _note(session, outcome)
    _sweep(at or now())
    return len(due)


def _take(at: datetime) -> list[_Due]:
    """Deliveries that are due, kept from other senders until the lease ends."""
    is_due = (WebhookDelivery.state == DeliveryState.WAITING, WebhookDelivery.due_at <= at, Webhook.off_at.is_(None))
    wanted = (
        select(WebhookDelivery, Webhook.address, Webhook.salt)
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(*is_due)
        .order_by(WebhookDelivery.due_at, WebhookDelivery.id)
        .limit(AT_ONCE)
    )
    with read() as session:  # Nothing is due most of the time: then no lock is taken.
        if session.execute(wanted.limit(1)).first() is None:
            return []
    with write() as session:
        rows = session.execute(wanted.with_for_update(skip_locked=True, of=WebhookDelivery)).all()
        taken = [
            _Due(row.id, row.webhook_id, row.event, row.event_id, row.payload, row.attempts, address, salt)
            for row, address, salt in rows
        ]
        for row, _, _ in rows:
            row.due_at = at + _LEASE
    return taken


def _send(egress: Egress, due: _Due, at: datetime) -> _Outcome:
    body = json.dumps(due.payload, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Winnow-Event": due.event,
        "Winnow-Event-Id": due.event_id,
        "Winnow-Attempt": str(due.attempts + 1),
        "Winnow-Signature": signature(secret_of(due.salt), body, at=int(at.timestamp())),
    }
    began, status = time.monotonic(), None
    try:
        status = egress.post(due.address, body=body, headers=headers)
        problem = _problem_of(status)
    except WinnowError as error:
        problem = error.message
    except OSError as error:
        problem = str(error) or type(error).__name__
    took = int((time.monotonic() - began) * 1000)
    return _Outcome(due, at, status, problem[:_LONGEST_PROBLEM], took)


def _problem_of(status: int) -> str:
    if status in _GOOD:
        return ""
    if status in _ELSEWHERE:
        return "the address redirects, and a redirect is not followed"
    return f"the server answered with status {status}"


def _note(session: Session, outcome: _Outcome) -> None:
    """Keep how an attempt went, and when the next one is due."""
    due, number = outcome.due, outcome.due.attempts + 1
    is_last = number > len(PAUSES)
    state = DeliveryState.DELIVERED if outcome.is_good else DeliveryState.WAITING
    if not outcome.is_good and is_last:
        state = DeliveryState.GIVEN_UP
    next_at = outcome.at if outcome.is_good or is_last else outcome.at + PAUSES[number - 1]
    fenced = (WebhookDelivery.id == due.id, WebhookDelivery.attempts == due.attempts)
    noted = update(WebhookDelivery).where(*fenced).values(state=state, attempts=number, due_at=next_at)
    if session.connection().execute(noted).rowcount == 0:
        return  # Another sender came after this one's lease, and noted first.
    row = {
        "delivery_id": due.id,
        "number": number,
        "at": outcome.at,
        "status": outcome.status,
        "problem": outcome.problem,
        "milliseconds": outcome.milliseconds,
    }
    session.connection().execute(insert_into(session, WebhookAttempt).on_conflict_do_nothing(), [row])
    if state == DeliveryState.GIVEN_UP:
        _turn_off_dead(session, due, outcome)


def _turn_off_dead(session: Session, due: _Due, outcome: _Outcome) -> None:
    """Send nothing more to an address that took nothing while one event was tried to its end, and say so."""
    made_at = session.scalars(select(WebhookDelivery.created_at).where(WebhookDelivery.id == due.id)).one()
    got_through = (
        select(func.count())
        .select_from(WebhookAttempt)
        .join(WebhookDelivery, WebhookDelivery.id == WebhookAttempt.delivery_id)
        .where(WebhookDelivery.webhook_id == due.webhook_id, WebhookAttempt.at >= made_at, WebhookAttempt.problem == "")
    )
    hook = session.get_one(Webhook, due.webhook_id)
    if hook.off_at is not None or session.scalar(got_through):
        return
    hook.off_at = outcome.at
    hook.off_reason = f"Nothing got through since {made_at:%d %b %H:%M} UTC: {outcome.problem}"
    tell(
        session,
        project_id=hook.project_id,
        user_ids={*_administrators(session, hook.project_id), *([hook.created_by] if hook.created_by else [])},
        text=f"The webhook to {parse_address(hook.address).host} is off. {hook.off_reason}",
        path=f"/webhooks/{hook.id}",
        tone="warn",
        key=f"webhook:{hook.id}:{due.id}",
        followers_too=False,
    )


def _administrators(session: Session, project_id: int) -> Sequence[int]:
    found = select(Member.user_id).where(Member.project_id == project_id, Member.role == "administrator")
    return session.scalars(found).all()


def _sweep(at: datetime) -> None:
    """Forget deliveries that ended long ago, a bounded number each time."""
    ended = (WebhookDelivery.state != DeliveryState.WAITING, WebhookDelivery.created_at < at - KEPT)
    old = select(WebhookDelivery.id).where(*ended).limit(_SWEPT)
    with read() as session:
        if session.execute(old.limit(1)).first() is None:
            return
    with write() as session:
        session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)))
