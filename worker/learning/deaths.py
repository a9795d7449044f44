"""Remembers attempts that ended without a word: a worker killed for its memory cannot say so itself."""

import json
from pathlib import Path
from typing import Final

_FILE: Final = "attempt.json"
DEATHS_BEFORE_HALVING: Final = 2
"""One death in an epoch may be a restart of the machine; the second in the same epoch is put down to memory."""


def begin_attempt(work_dir: Path, *, epochs_done: int, halvings: int) -> int:
    """Notes that an attempt begins here; how often it died before in this very epoch, at this size of batch."""
    path = work_dir / _FILE
    place = {"epochs_done": epochs_done, "halvings": halvings}
    deaths = 0
    try:
        before = json.loads(path.read_text())
        if {name: before[name] for name in place} == place:
            deaths = int(before["deaths"]) + 1
    except (OSError, ValueError, KeyError, TypeError):
        pass  # the first attempt, or a file that the death cut short
    path.write_text(json.dumps({**place, "deaths": deaths}))
    return deaths


def end_attempt(work_dir: Path) -> None:
    """The attempt came to an end that it can tell of."""
    (work_dir / _FILE).unlink(missing_ok=True)
