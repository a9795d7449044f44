"""Requests that no browser and no honest client would send: refused in words, never a fault."""

from __future__ import annotations

from itertools import product

import pytest

from app.core.database import read
from app.projects.models import Project
from tests.security.extreme import fault_of
from tests.security.world import World, build
from tests.web_client import Browser, SignInAs

CHARSETS = (
    "unicode_escape",
    "raw_unicode_escape",
    "punycode",
    "idna",
    "undefined",
    "zlib",
    "rot13",
    "utf-16",
    "\x00utf-8",
)
JSON_TEXTS = (
    *(b"[]", b"null", b'"x"', b"{", b"", b"\xff", b'{"image_ids":[NaN],"act":"good"}', b"9" * 100_000),
    b'{"image_ids":[1e999],"act":"good"}',
    b'{"a":' * 20_000,
    b"[" * 200_000,
    b'{"image_ids":[' + b"9" * 5000 + b'],"act":"good"}',
    b'{"image_ids":[1],"act":"\\ud800"}',
    b'{"image_ids":[1],"act":"not_good","reason":"\\ud800"}',
    b'{"image_ids":[1],"act":"good","\\ud800":1}',
    b'{"image_ids":[1],"act":"good","act":"remove","request_key":"\\u0000aaaaaaaa"}',
)
HEADERS = (
    *(
        {"Content-Length": "abc"},
        {"Content-Length": "-1"},
        {"Authorization": "Bearer \xfc"},
        {"Authorization": "Bearer"},
    ),
    *(
        {"Authorization": "Bearer winnow_" + "x" * 10_000},
        {"Authorization": "Basic abc"},
        {"Cookie": "winnow_session=\xff"},
    ),
    *(
        {"Cookie": "winnow_notice=\xff.\xff"},
        {"Cookie": "winnow_notice=e30.x"},
        {"Cookie": "=;=;;"},
        {"Origin": "http://[::1"},
    ),
    *(
        {"Origin": "\xff"},
        {"Origin": "http://"},
        {"Host": ""},
        {"Host": "\xff"},
        {"Accept": "\xff"},
        {"X-CSRF-Token": "\xff"},
    ),
    *(
        {"Sec-Fetch-Site": "\xff"},
        {"Last-Event-ID": "\xff" * 41},
        {"Range": "bytes=" + "0-," * 5000},
        {"Range": "bytes=9-1"},
    ),
    *(
        {"Range": "bytes=-999999999999999999999"},
        {"If-None-Match": "\xff"},
        {"X-Fragment": "\xff"},
        {"Content-Type": "\xff"},
    ),
    *(
        {"Content-Type": "multipart/form-data"},
        {"Content-Type": "multipart/form-data; boundary="},
        {"Transfer-Encoding": "x"},
    ),
)


@pytest.fixture
def world(application: object) -> World:  # noqa: ARG001 - its installation must exist first
    """The project that requests are about."""
    return build("The marsh")


@pytest.fixture
def root(sign_in_as: SignInAs) -> Browser:
    """Somebody whom no rule of access stops."""
    return sign_in_as("root")


def part(name: bytes, value: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--x--\r\n' % (name, value)


def test_a_form_in_another_encoding(world: World, root: Browser):
    address = f"/projects/{world.slug}/classes"
    for charset, field in product(CHARSETS, (b"name", b"csrf_token")):
        root.send_csrf = field == b"name"
        headers = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}", "Accept": "application/json"}
        answer = root.post(address, content=part(field, b"\\ud800 x"), headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "charset"), charset
    answer = root.post(
        "/api/v1/identify", content=part(b"image", b"x"), headers={"Content-Type": "multipart/form-data; charset=zlib"}
    )
    assert answer.status_code in (403, 422)


def test_files_where_text_belongs_and_parts_without_end(world: World, root: Browser):
    base = f"/projects/{world.slug}"
    forms = {
        f"{base}/classes": "name",
        f"{base}/members": "role",
        f"{base}/settings": "charter_use",
        f"{base}/train": "start",
        f"{base}/imports": "path",
        "/projects": "classes",
        "/users": "name",
        "/account/tokens": "name",
        "/account/password": "current",
        world.address("/projects/{slug}/models/{number}/promote"): "reason",
    }
    for address, field in forms.items():
        for accept in ("text/html", "application/json"):
            sent = {"files": {field: ("x", b"\xff" * 10)}, "headers": {"Accept": accept}}
            assert fault_of(root, "POST", address, **sent) is None, address
    many = b"".join(part(b"a", b"b")[:-7] for _ in range(3000)) + b"--x--\r\n"
    fields = b"&".join(b"a%d=" % number for number in range(200_000))
    for kind, content in (
        ("multipart/form-data; boundary=x", many),
        ("application/x-www-form-urlencoded", fields),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"a" * 100_000),
    ):
        answer = root.post(f"{base}/classes", content=content, headers={"Content-Type": kind})
        assert answer.status_code in (400, 413, 422), kind


def test_json_that_is_none_or_too_deep_or_too_large(world: World, root: Browser):
    for text in JSON_TEXTS:
        for kind in ("application/json", "text/plain", "application/json; charset=utf-16"):
            answer = root.post(f"/projects/{world.slug}/labels", content=text, headers={"Content-Type": kind})
            assert answer.status_code in (400, 422), (text[:60], kind)
    large = b'{"image_ids":[' + b"1," * (2 * 2**20) + b'1],"act":"good"}'
    answer = root.post(f"/projects/{world.slug}/labels", content=large, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    ids = list(range(1, 10_002))
    assert root.post(f"/projects/{world.slug}/labels", json={"image_ids": ids, "act": "remove"}).status_code == 422


def test_odd_headers(world: World, root: Browser):
    addresses = [("GET", f"/projects/{world.slug}/library"), ("POST", f"/projects/{world.slug}/classes")]
    addresses += [
        ("GET", world.address("/projects/{slug}/images/{image_id}/original")),
        ("GET", "/static/css/base.css"),
    ]
    addresses += [("GET", world.address("/projects/{slug}/runs/{run_id}/events"))]
    faults = []
    for headers in HEADERS:
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        for method, address in addresses:
            fault = fault_of(root, method, address, headers=encoded, also={206, 304, 400, 401, 405, 416})
            faults += [(headers, address, fault)] if fault else []
    assert not faults, "\n".join(map(str, faults))


def test_other_methods_do_nothing_and_odd_paths_lead_nowhere_else(world: World, root: Browser):
    for method in ("HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND"):
        for address in ("library", "archive", "classes", "images/1"):
            override = {"X-HTTP-Method-Override": "POST"}
            answer = root.request(method, f"/projects/{world.slug}/{address}", headers=override)
            assert answer.status_code in (403, 405)
    for path in ("//elsewhere.example", "/\\elsewhere.example", "/projects/", "//elsewhere.example/.."):
        answer = root.get(f"http://testserver{path}")
        assert answer.status_code in (303, 307, 404)
        assert "elsewhere" not in answer.headers.get("Location", "")
    with read() as session:
        assert session.get_one(Project, world.project_id).archived_at is None
