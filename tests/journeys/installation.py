"""A whole installation as a person runs it: real processes, started and spoken to through the `winnow` command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select

from app.core.database import read
from app.runs.models import Run, RunState

ROOT = Path(__file__).parents[2]
WINNOW = str(Path(sys.executable).with_name("winnow"))
PATIENCE_SECONDS = 240
Found = TypeVar("Found")


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Installation:
    """A running family, and the environment its commands need."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    data: Path
    url: str

    def command(self, *arguments: str, expect: int = 0) -> dict[str, Any]:
        """Run `winnow … --json`; returns its object. Fails on another exit status than `expect`."""
        done = subprocess.run(
            [WINNOW, *arguments, "--json"],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == expect, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def in_background(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `winnow … --json` and go on."""
        return subprocess.Popen(
            [WINNOW, *arguments, "--json"],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def children(self) -> dict[int, str]:
        """Every living process of the family by id, with its command line."""
        return {pid: words for pid, words in _processes() if pid in _descendants(self.process.pid)}


@contextmanager
def running(data: Path) -> Iterator[Installation]:
    """`winnow up` on this data folder until the block ends. The caller has set WINNOW_DATA_DIR and database."""
    port = free_port()
    environment = {
        **os.environ,
        "WINNOW_PORT": str(port),
        "WINNOW_SWEEP_SECONDS": "2",
        "WINNOW_RUN_LEASE_SECONDS": "10",
        "OMP_NUM_THREADS": "2",
    }
    log = (data / "up.log").open("w")
    process = subprocess.Popen(
        [WINNOW, "up"], env=environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_until(lambda: "Winnow is up" in (data / "up.log").read_text() or process.poll() is not None)
        assert process.poll() is None, (data / "up.log").read_text()
        yield Installation(process, environment, data, f"http://127.0.0.1:{port}")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        log.close()


def wait_until(look: Callable[[], Found], *, seconds: float = PATIENCE_SECONDS) -> Found:
    """Ask again until the answer is true; returns it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.05)
    return found


def newest_run(kind: str) -> Run | None:
    """The newest run of a kind."""
    with read() as session:
        return session.scalar(select(Run).where(Run.kind == kind).order_by(Run.id.desc()).limit(1))


def worker_process(run: Run) -> int:
    """The process id of the worker that has the run."""
    assert run.worker is not None
    return int(run.worker.rpartition(":")[2])


def is_running(kind: str, *, after: int = 0) -> Run | None:
    """The newest run of this kind, if it is newer than `after` and running."""
    run = newest_run(kind)
    return run if run is not None and run.id > after and run.state == RunState.RUNNING else None


def _processes() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
            yield int(entry.name), words


def _parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def _descendants(root: int) -> set[int]:
    parents = _parents()
    family, grew = {root}, True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family |= more
        grew = bool(more)
    return family - {root}
