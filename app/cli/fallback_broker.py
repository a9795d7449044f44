"""A broker in pure Python on a unix socket, for machines with neither valkey nor redis."""

from __future__ import annotations

import itertools
import socket
import sys
from pathlib import Path

from fakeredis import TcpFakeServer

_CLIENTS = itertools.count(1)


class UnixFakeServer(TcpFakeServer):
    """fakeredis's server, listening on a unix socket instead of a port."""

    address_family = socket.AF_UNIX

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a client. It gets a made-up address, since a unix client has none and fakeredis keys on it."""
        connection, _ = self.socket.accept()
        return connection, ("local", next(_CLIENTS))


def main() -> None:
    """Serve until killed. The one argument is the socket's path."""
    path = sys.argv[1]
    server = UnixFakeServer(path, server_type="redis")  # type: ignore[arg-type]  # a unix address is a path
    Path(path).chmod(0o600)
    server.serve_forever()


if __name__ == "__main__":
    main()
