"""How a run's work is interrupted from outside."""

from __future__ import annotations


class LostLease(Exception):
    """Another worker has this run now, or it was ended; nothing more may be written."""


class RunCancelled(Exception):
    """Somebody asked for the run to be cancelled."""
