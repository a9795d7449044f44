"""Serving in this process: the spool, its drainer and the loaded versions, while the application runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.core.errors import Unavailable
from app.core.settings import get_settings
from app.serving.active import ActiveVersions
from app.serving.draining import Arrived, Drainer
from app.serving.spool import Spool

FOLDER = "spool"


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """What a request needs."""

    spool: Spool
    drainer: Drainer
    active_versions: ActiveVersions
    warming: threading.Thread


class _Shared:
    """The one instance of this process, with the number of applications that run on it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.serving: Serving | None = None


_shared = _Shared()


@contextmanager
def running(*, arrived: Arrived | None = None) -> Iterator[Serving]:
    """Serve while inside; entering it again shares what is there.

    `arrived` is told, in a write session, of a project whose pool has grown.
    """
    with _shared.lock:
        _shared.users += 1
        serving = _shared.serving = _shared.serving or _open(arrived or _nobody)
    try:
        yield serving
    finally:
        with _shared.lock:
            _shared.users -= 1
            if _shared.users == 0:
                _shared.serving = None
                _close(serving)


def current() -> Serving:
    """Serving as it runs in this process. Raises Unavailable outside of a running application."""
    if _shared.serving is None:
        raise Unavailable("Serving is not running in this process.", code="not_serving")
    return _shared.serving


def _nobody(_session: Session, _project_id: int) -> None:
    return None


def _open(arrived: Arrived) -> Serving:
    root = get_settings().data_dir.resolve() / FOLDER
    spool, versions = Spool(root), ActiveVersions()
    warming = threading.Thread(target=versions.warm, name="warming", daemon=True)
    serving = Serving(spool, Drainer(spool, root, arrived=arrived), versions, warming)
    serving.drainer.start()
    serving.warming.start()
    return serving


def _close(serving: Serving) -> None:
    serving.warming.join()
    serving.spool.stop_writing()
    serving.drainer.stop()
    serving.spool.close()
