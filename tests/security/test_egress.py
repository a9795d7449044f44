"""Addresses that somebody names lead to public hosts alone, whatever way round is tried."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from app.core.egress import Egress, get_egress, is_public, parse_address
from app.core.errors import Forbidden, InvalidInput, WinnowError
from app.core.settings import get_settings

PUBLIC = "93.184.215.14"
LOCAL = (
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),  # noqa: S104
    *("100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
    *(
        "255.255.255.255",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "fe80::1",
        "fc00::1",
    ),
    *("fd00:ec2::254", "ff02::1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "fec0::1"),
)
REFUSED = (
    *(
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://example.org/a",
        "//example.org/a",
        "example.org",
    ),
    *("javascript:alert(1)", "data:image/png;base64,AAAA", "http://", "http:///a", "https://:443/", "http://a b/"),
    *("http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/", "http://0/"),
    *("http://017700000001/", "http://127.0.0.0x1/", "http://1.2.3.4.5/", "http://[::1", "http://[fe80::1%25eth0]/"),
    *(
        "http://example.org@127.0.0.1/",
        "http://user:pass@example.org/",
        "http://@example.org/",
        "http://example.org:x/",
    ),
    *("http://example.org\\@127.0.0.1/", "http://example.org/\r\nHost: evil", "http://exa\tmple.org/", "http://.../"),
    *("http://example.org:99999/", "http://%31%32%37.0.0.1/", "http://" + "a" * 2100),
)


class Server(BaseHTTPRequestHandler):
    """Answers, redirects, drips or floods, by the path; keeps what was asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        kind, _, rest = self.path.removeprefix("/").partition("?")
        if kind == "to":
            self.send_response(302)
            self.send_header("Location", rest)
            self.end_headers()
            return
        if kind == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(200):
                self.wfile.write(b"X-A: b\r\n")
                time.sleep(0.05)
            return
        self.send_response(200 if kind != "missing" else 404)
        if kind == "short":
            self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * (100_000 if kind == "flood" else 10))

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    """A web server on this machine: what an attacker wants to reach."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Server.asked.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def way_out(*, allowed: Sequence[str] = (), resolved: Sequence[str] = (), seconds: float = 10.0) -> Egress:
    """A way out whose resolver gives each of `resolved` once, in turn; connections to the public address go nowhere."""
    answers = list(resolved)

    def resolve(host: str, _: int) -> list[str]:
        return [answers.pop(0)] if answers else [host]

    def connect(where: tuple[str, int], limit: float) -> socket.socket:
        if where[0] == PUBLIC:
            raise OSError(f"went to {where[0]}")
        return socket.create_connection(where, timeout=limit)

    return Egress(frozenset(allowed), seconds, resolve=resolve, connect=connect)


@contextmanager
def nothing_is_reached() -> Iterator[None]:
    with pytest.raises((WinnowError, OSError)):
        yield
    assert Server.asked == []


@pytest.mark.parametrize("address", LOCAL)
def test_no_local_address_counts_as_public(address: str):
    assert not is_public(address)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Forbidden, match="only public hosts"):
        way_out().fetch(f"http://{host}/", max_bytes=10)


def test_public_addresses_do():
    assert all(map(is_public, ("8.8.8.8", PUBLIC, "2606:4700:4700::1111")))


@pytest.mark.parametrize("address", REFUSED)
def test_other_schemes_odd_hosts_and_tricks_are_refused_before_anything_is_resolved(address: str):
    with pytest.raises(InvalidInput):
        parse_address(address)


def test_full_width_digits_are_what_they_look_like():
    assert parse_address("http://１２７.０.０.１/").host == "127.0.0.1"
    assert parse_address("http://127。0。0。1/").host == "127.0.0.1"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.0.0.1.", "LOCALHOST"])
def test_this_machine_is_not_reached_by_any_name(port: int, host: str):
    with nothing_is_reached():
        Egress(frozenset(), 5.0).fetch(f"http://{host}:{port}/a", max_bytes=100)


def test_a_host_with_one_private_address_among_public_ones_is_not_reached():
    egress = Egress(frozenset(), 5.0, resolve=lambda *_: [PUBLIC, "10.0.0.1"])
    with pytest.raises(Forbidden):
        egress.fetch("http://two-faced.example/", max_bytes=10)


def test_a_resolver_that_changes_its_mind_changes_nothing(port: int):
    egress = way_out(resolved=[PUBLIC, "127.0.0.1", "127.0.0.1"])
    with pytest.raises(OSError, match=f"went to {PUBLIC}"):
        egress.fetch(f"http://rebinding.example:{port}/a", max_bytes=100)
    assert Server.asked == []


@pytest.mark.parametrize(
    "onward",
    ["http://127.0.0.1:{port}/secret", "http://[::1]:{port}/secret", "http://2130706433:{port}/", "file:///etc/passwd"],
)
def test_a_redirect_to_a_forbidden_place_is_not_followed(port: int, onward: str):
    egress = way_out(allowed=["friendly.example"], resolved=["127.0.0.1"])
    with pytest.raises(WinnowError):
        egress.fetch(f"http://friendly.example:{port}/to?{onward.format(port=port)}", max_bytes=100)
    assert [path.split("?")[0] for path in Server.asked] == ["/to"]


def test_redirects_end_somewhere(port: int):
    egress = way_out(allowed=["127.0.0.1"])
    with pytest.raises(OSError, match="redirect at most"):
        egress.fetch(f"http://127.0.0.1:{port}/to?/to?/to?/to?/to?/to?/to?/to?/a", max_bytes=100)
    assert egress.fetch(f"http://127.0.0.1:{port}/to?/a", max_bytes=100).read() == b"x" * 10


def test_caps_on_bytes_and_time_hold_while_it_streams(port: int):
    egress = way_out(allowed=["127.0.0.1"], seconds=1.0)
    with (
        egress.fetch(f"http://127.0.0.1:{port}/flood", max_bytes=50_000) as stream,
        pytest.raises(OSError, match="at most 50,000 bytes"),
    ):
        stream.read()
    with pytest.raises(OSError, match=r"readable answer|time limit|timed out|reset"):
        egress.fetch(f"http://127.0.0.1:{port}/drip", max_bytes=50_000).read()
    with pytest.raises(OSError, match="broke off"):
        egress.fetch(f"http://127.0.0.1:{port}/short", max_bytes=50_000).read()
    with pytest.raises(OSError, match="status 404"):
        egress.fetch(f"http://127.0.0.1:{port}/missing", max_bytes=50_000)


def test_by_default_nothing_local_is_allowed(installation: object, monkeypatch: pytest.MonkeyPatch, port: int):  # noqa: ARG001
    with nothing_is_reached():
        get_egress().fetch(f"http://127.0.0.1:{port}/a", max_bytes=100)
    monkeypatch.setenv("WINNOW_EGRESS_ALLOWED_HOSTS", '["127.0.0.1"]')
    get_settings.cache_clear()
    assert get_egress().fetch(f"http://127.0.0.1:{port}/a", max_bytes=100).read() == b"x" * 10


def test_certificates_are_verified(port: int):
    egress = way_out(allowed=["127.0.0.1"])
    assert egress.trusted.check_hostname
    with pytest.raises(OSError, match=r"(?i)ssl|record|reset|eof"):
        egress.fetch(f"https://127.0.0.1:{port}/a", max_bytes=100)
