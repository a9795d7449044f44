"""The family: web, worker, trainer, beat and the embedded broker as children of one supervisor.

A lock on the data folder keeps a second family out (a second broker on the same socket would steal it in silence).
A child that ends is started again; when the supervisor ends, however it ends, nothing stays behind.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from app.cli import embedded_broker
from app.core.errors import Conflict, Unavailable
from app.core.processes import die_with_parent
from app.core.settings import get_settings

STOP_SECONDS = 12.0
START_SECONDS = 60.0
_CELERY = [sys.executable, "-m", "celery", "-A", "worker.celery_app"]


@dataclass
class Member:
    """One child process: how it is started, and what it is now."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0


def worker_members(*, with_beat: bool) -> list[Member]:
    """Worker, trainer and (unless the family is short-lived) beat."""
    remap = {"REMAP_SIGTERM": "SIGQUIT", "TF_CPP_MIN_LOG_LEVEL": "3"}
    common = ["--loglevel", get_settings().log_level, "--without-gossip", "--without-mingle"]
    members = [
        Member(
            "worker",
            [*_CELERY, "worker", "-n", "worker@%h", "-Q", "library,identify,default", "-c", "2", *common],
            remap,
        ),
        Member("trainer", [*_CELERY, "worker", "-n", "trainer@%h", "-Q", "learning", "-c", "1", *common], remap),
    ]
    if with_beat:
        schedule = get_settings().data_dir.resolve() / "beat-schedule"
        members.append(Member("beat", [*_CELERY, "beat", "-s", str(schedule), "--loglevel", "WARNING"]))
    return members


def web_member() -> Member:
    """The pages and the API."""
    settings = get_settings()
    command = [sys.executable, "-m", "uvicorn", "app.main:create_app", "--factory", "--host", settings.host]
    options = ["--port", str(settings.port), "--timeout-graceful-shutdown", "2", "--no-server-header"]
    return Member("web", [*command, *options, "--log-level", settings.log_level.lower(), "--no-access-log"])


def broker_member() -> Member:
    """The embedded broker."""
    return Member("broker", embedded_broker.server_command()[0])


@contextmanager
def data_folder_lock() -> Iterator[None]:
    """Hold the data folder for this family. Raises Conflict while another family has it."""
    folder = get_settings().data_dir
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "family.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"Winnow already runs on the data folder {folder}. One family per data folder.") from None
        yield


def is_family_up() -> bool:
    """Whether some process holds the data folder."""
    try:
        with data_folder_lock():
            return False
    except Conflict:
        return True


class Family:
    """Starts, watches and ends its members."""

    def __init__(self, members: Sequence[Member], *, tell: Callable[[str], None]) -> None:
        self.members = list(members)
        self._tell = tell
        self._logs = get_settings().data_dir.resolve() / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start every member, in order; a broker must answer before the next one starts. Raises Unavailable."""
        for member in self.members:
            self._spawn(member)
            if member.name == "broker":
                self._wait_for(embedded_broker.is_answering, "broker")

    def _spawn(self, member: Member) -> None:
        if member.name == "broker":
            embedded_broker.prepare_folder()
        with self._log_file(member) as log:
            member.process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                member.command,
                env={**os.environ, **member.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call, before any thread exists
            )
        member.started_at = time.monotonic()

    def _log_file(self, member: Member) -> IO[bytes]:
        return self.log_path(member.name).open("ab")

    def log_path(self, name: str) -> Path:
        """Where a member's output goes."""
        return self._logs / f"{name}.log"

    def _wait_for(self, is_ready: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if time.monotonic() > deadline:
                raise Unavailable(f"the {name} did not answer within {START_SECONDS:.0f} s; see {self.log_path(name)}")
            time.sleep(0.05)

    def wait_for_web(self) -> None:
        """Return once the web process answers. Raises Unavailable."""
        import urllib.error
        import urllib.request

        settings = get_settings()
        host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - compared, not bound

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"http://{host}:{settings.port}/health", timeout=2) as answer:
                    return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's own number
            except (urllib.error.URLError, OSError):
                return False

        self._wait_for(answers, "web")

    def watch(self) -> None:
        """Start again whatever ended; a member that ends at once waits longer each time. Call it in a loop."""
        for member in self.members:
            process = member.process
            if process is None or process.poll() is None:
                continue
            lived = time.monotonic() - member.started_at
            member.restarts = 0 if lived > START_SECONDS else member.restarts + 1
            if lived < min(30.0, 0.5 * 2**member.restarts):
                continue
            self._tell(f"{member.name} ended ({process.returncode}); starting it again. {self.log_path(member.name)}")
            self._spawn(member)

    def stop(self) -> None:
        """End all: web first, the broker last, so that messages of unfinished work are kept."""
        running = [member for member in reversed(self.members) if member.name != "broker"]
        broker = [member for member in self.members if member.name == "broker"]
        for group in (running, broker):
            for member in group:
                if member.process is not None and member.process.poll() is None:
                    member.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            for member in group:
                self._reap(member, deadline)

    @staticmethod
    def _reap(member: Member, deadline: float) -> None:
        if member.process is None:
            return
        try:
            member.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(member.process.pid, signal.SIGKILL)
            member.process.wait()
