"""Runs as they change, for open pages: one poller a process reads the database and tells all who follow.

Nobody who follows holds a session: the poller opens a short one for each look, in a thread, and rests when nobody
is listening.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from app.core.database import read
from app.core.logging import get_logger
from app.runs.queries import RunView, runs_by_id

log = get_logger(__name__)
SECONDS_BETWEEN_LOOKS: Final = 0.5


class RunFeed:
    """Follows runs within one event loop."""

    def __init__(self) -> None:
        self._followers: Counter[int] = Counter()
        self._latest: dict[int, RunView] = {}
        self._looked = asyncio.Condition()
        self._poller: asyncio.Task[None] | None = None

    async def follow(self, run_ids: Sequence[int], *, seen: str = "") -> AsyncGenerator[RunView]:
        """Each run as it is now and then whenever it changes, until all have ended.

        `seen` is the `mark` that the listener had last, when it follows one run: it is not told that again.
        """
        told = dict.fromkeys(run_ids, seen)
        self._followers.update(run_ids)
        try:
            self._start()
            while told:
                for view in await self._changed(told):
                    yield view
                    if view.is_ended:
                        told.pop(view.id)
                    else:
                        told[view.id] = view.mark
        finally:
            self._followers.subtract(run_ids)
            self._followers += Counter()

    async def _changed(self, told: dict[int, str]) -> list[RunView]:
        """Runs that differ from what was told, as soon as there are any. One that ended is told even if known."""
        async with self._looked:
            while True:
                known = [self._latest[run_id] for run_id in told if run_id in self._latest]
                if news := [view for view in known if view.mark != told[view.id] or view.is_ended]:
                    return news
                await self._looked.wait()

    def _start(self) -> None:
        if self._poller is None or self._poller.done():
            self._latest.clear()
            self._poller = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        while self._followers:
            try:
                views = await run_in_threadpool(_look, list(self._followers))
            except SQLAlchemyError:
                log.exception("the runs could not be read; the next look tries again")
                views = []
            async with self._looked:
                self._latest = {run_id: view for run_id, view in self._latest.items() if run_id in self._followers}
                self._latest.update({view.id: view for view in views})
                self._looked.notify_all()
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


def _look(run_ids: list[int]) -> list[RunView]:
    with read() as session:
        return runs_by_id(session, run_ids)


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, RunFeed] = WeakKeyDictionary()


def get_feed() -> RunFeed:
    """The feed of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _feeds:
        _feeds[loop] = RunFeed()
    return _feeds[loop]
