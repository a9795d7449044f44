"""What is told of what happened: ends of runs, news of watched classes, webhooks. The worker does a turn at a time."""

from __future__ import annotations

from typing import Final

from app.identification.news import ask_look, look_due
from app.projects.webhook_sending import deliver_due
from app.runs.telling import AtEnd, tell_run_ends

AT_END: Final[dict[str, AtEnd]] = {"identification.identify": ask_look}


def tell_news() -> int:
    """A turn of all of it; returns how much there was. Safe to run twice at once and at any time."""
    return tell_run_ends(AT_END) + look_due() + deliver_due()
