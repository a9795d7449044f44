"""The web process as `winnow up` starts it, for benchmarks that go through a socket."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from app.cli.family import web_member

HOST: Final = "127.0.0.1"
PATIENCE_SECONDS: Final = 120


@contextmanager
def web_process(port: int, log: Path) -> Iterator[None]:
    """The web process as `winnow up` starts it, until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(web_member().command, stdout=output, stderr=output)
        try:
            _wait_for_health(port, process, log)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _wait_for_health(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with closing(http.client.HTTPConnection(HOST, port, timeout=5)) as connection:
            try:
                connection.request("GET", "/health")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
    raise RuntimeError(f"the web process did not come up: {log.read_text()[-2000:]}")


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
