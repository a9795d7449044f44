"""Reaching an address that somebody named: http and https to public hosts alone, unless the settings name the host.

A name is resolved once and the connection goes to that very address (so a resolver that changes its mind changes
nothing), certificates are verified against the name, and each redirect is checked like the first address. Anything that
is not global unicast is refused: loopback, link-local (metadata services), private and shared ranges, and IPv6
addresses that carry an IPv4 one. Proxies of the environment are not used.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO, Final, cast
from urllib.parse import quote, urljoin, urlsplit

from app.core.errors import Forbidden, InvalidInput
from app.core.settings import get_settings

MAX_REDIRECTS: Final = 5
MAX_ADDRESS: Final = 2_000
_PIECE: Final = 256 * 1024
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_PORTS: Final = {"http": 80, "https": 443}
_KEPT: Final = "%/:=&?~+!$,;'@()*[]"
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
# Services of a cloud's own platform in ranges that count as public: Azure's, and the protocol range of RFC 6890.
_PLATFORM: Final = (ipaddress.IPv4Network("168.63.129.16/32"), ipaddress.IPv4Network("192.0.0.0/24"))
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int], Sequence[str]]
"""IP addresses of a host. Raises OSError."""
Connect = Callable[[tuple[str, int], float], socket.socket]


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address: nothing was resolved yet."""

    scheme: str
    host: str
    port: int
    target: str
    url: str


def parse_address(url: str) -> Address:
    """The parts of an http or https address. Raises InvalidInput with the rule it breaks."""
    if len(url) > MAX_ADDRESS or _UNPRINTABLE.search(url):
        raise InvalidInput(f"an address has at most {MAX_ADDRESS:,} characters and no spaces; received {url[:80]!r}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"an address must be readable; {url[:80]!r} is not: {error}") from error
    if parts.scheme not in _PORTS:
        raise InvalidInput(f"an address begins with http:// or https://; received {url[:80]!r}")
    if "@" in parts.netloc:
        raise InvalidInput("an address carries no user name or password")
    host = _plain_host(parts.hostname or "", url)
    path = quote(parts.path or "/", safe=_KEPT)
    target = f"{path}?{quote(parts.query, safe=_KEPT)}" if parts.query else path
    return Address(parts.scheme, host, port or _PORTS[parts.scheme], target, url)


def _plain_host(host: str, url: str) -> str:
    """The host in the form that is resolved. One that ends in a number is an IPv4 address in four decimal parts."""
    try:
        plain = host.rstrip(".") if ":" in host else host.encode("idna").decode("ascii").rstrip(".").lower()
    except UnicodeError as error:
        raise InvalidInput(f"an address names a host; {url[:80]!r} does not") from error
    if not plain or "%" in plain:
        raise InvalidInput(f"an address names a host; {url[:80]!r} does not")
    last = plain.rsplit(".", 1)[-1]
    if ":" in plain or last.isdigit() or last.startswith("0x"):
        try:
            return str(ipaddress.ip_address(plain))
        except ValueError as error:
            raise InvalidInput(f"an IP address is written in its usual form; received {host[:80]!r}") from error
    return plain


def is_public(address: str) -> bool:
    """Whether an IP address is global unicast, and carries no other one inside."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return ip in _UNICAST and ip.is_global and ip.sixtofour is None and ip.teredo is None
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _PLATFORM)


def resolve_host(host: str, port: int) -> list[str]:
    """IP addresses of a host by the system's resolver. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _connect(where: tuple[str, int], seconds: float) -> socket.socket:
    return socket.create_connection(where, timeout=seconds)


@dataclass(frozen=True)
class Egress:
    """The way out. `allowed_hosts` may be reached whatever their address is; `seconds` is the limit for one file."""

    allowed_hosts: frozenset[str]
    seconds: float
    resolve: Resolve = resolve_host
    connect: Connect = _connect
    trusted: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def pin(self, address: Address) -> str:
        """The one IP address to connect to. Raises Forbidden for one that may not be reached, OSError."""
        found = self.resolve(address.host, address.port)
        if not found:
            raise OSError(f"the host {address.host!r} has no address")
        if address.host not in self.allowed_hosts and not all(is_public(ip) for ip in found):
            raise Forbidden(f"only public hosts may be reached; {address.host[:80]!r} is in a private or local network")
        return found[0]

    def fetch(self, url: str, *, max_bytes: int) -> BinaryIO:
        """The body of what an address gives, as a stream that raises OSError over `max_bytes` or the time limit.

        Raises InvalidInput or Forbidden for an address that may not be reached, OSError for one that does not answer.
        """
        address = parse_address(url)
        for _ in range(MAX_REDIRECTS + 1):
            answer = _Exchange(self, address, self.pin(address))
            if answer.response.status in _REDIRECTS and (onward := answer.response.headers.get("Location")):
                answer.close()
                address = parse_address(urljoin(address.url, onward.strip()))
                continue
            if answer.response.status != http.client.OK:
                answer.close()
                raise OSError(f"the server answered with status {answer.response.status}")
            return stream_of(answer.pieces(), max_bytes=max_bytes)
        raise OSError(f"an address may redirect at most {MAX_REDIRECTS} times")

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> int:
        """Send `body` to an address and return the status of the answer, of which nothing else is read.

        A redirect is an answer like any other: what was meant for one address is sent to no second one.
        Raises InvalidInput or Forbidden for an address that may not be reached, OSError for one that does not answer.
        """
        address = parse_address(url)
        answer = _Exchange(self, address, self.pin(address), body=body, headers=headers)
        answer.close()
        return answer.response.status


class _Exchange:
    """One request and its answer, ended by force at the time limit, also where a server drips."""

    def __init__(
        self,
        egress: Egress,
        address: Address,
        ip: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        kind = _PinnedHttps if address.scheme == "https" else _Pinned
        self._connection = kind(egress, address, ip)
        self._watch = threading.Timer(egress.seconds, self._connection.cut)
        self._watch.daemon = True
        self._watch.start()
        try:
            told = {"User-Agent": "Winnow", "Accept-Encoding": "identity", "Connection": "close", **(headers or {})}
            self._connection.request("GET" if body is None else "POST", address.target, body=body, headers=told)
            self.response = self._connection.getresponse()
        except (http.client.HTTPException, ValueError) as error:
            self.close()
            raise OSError(f"the server gave no readable answer: {type(error).__name__}") from error
        except OSError:
            self.close()
            raise

    def pieces(self) -> Iterator[bytes]:
        """The body. Raises OSError where it breaks off."""
        try:
            expected, seen = self.response.length, 0
            while piece := self.response.read1(_PIECE):
                seen += len(piece)
                yield piece
            if self._connection.is_cut:
                raise OSError("the time limit for one file is over")
            if expected is not None and seen < expected:
                raise OSError(f"the answer broke off after {seen:,} of {expected:,} bytes")
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"the answer cannot be read: {type(error).__name__}") from error
        finally:
            self.close()

    def close(self) -> None:
        """Give back the connection."""
        self._watch.cancel()
        self._connection.cut()
        self._connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to one IP address, whatever the name resolves to by now."""

    def __init__(self, egress: Egress, address: Address, ip: str) -> None:
        super().__init__(address.host, address.port, timeout=egress.seconds)
        self._egress, self._ip = egress, ip
        self._raw: socket.socket | None = None
        self.is_cut = False

    def connect(self) -> None:
        """Connect to the pinned address."""
        self._raw = self.sock = self._egress.connect((self._ip, self.port), self._egress.seconds)

    def cut(self) -> None:
        """End whatever is under way, from any thread."""
        self.is_cut = True
        if self._raw is not None:
            with suppress(OSError):
                self._raw.shutdown(socket.SHUT_RDWR)


class _PinnedHttps(_Pinned):
    """The same over TLS, the certificate verified against the name."""

    def connect(self) -> None:
        """Connect, then shake hands under the host's name."""
        super().connect()
        self.sock = self._egress.trusted.wrap_socket(self.sock, server_hostname=self.host)


class _Pieces(io.RawIOBase):
    """Pieces of bytes, as they come, as one stream."""

    def __init__(self, pieces: Iterator[bytes], max_bytes: int) -> None:
        self._pieces, self._room, self._left, self._cap = pieces, max_bytes, b"", max_bytes

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer from the present piece. Raises OSError over the cap."""
        if not self._left:
            self._left = next(self._pieces, b"")
            self._room -= len(self._left)
            if self._room < 0:
                raise OSError(f"a file may have at most {self._cap:,} bytes; this one has more")
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        """End the pieces too."""
        ended = getattr(self._pieces, "close", None)
        if ended is not None and not self.closed:
            ended()
        super().close()


def stream_of(pieces: Iterator[bytes], *, max_bytes: int) -> BinaryIO:
    """Pieces as a binary stream that raises OSError once they are over `max_bytes`."""
    return cast("BinaryIO", io.BufferedReader(_Pieces(pieces, max_bytes), _PIECE))


def get_egress() -> Egress:
    """The way out by the settings."""
    settings = get_settings()
    return Egress(frozenset(host.lower() for host in settings.egress_allowed_hosts), settings.fetch_seconds)
