"""Every response carries the security headers."""

from __future__ import annotations

import pytest
from fastapi import Depends, FastAPI

from app.core.settings import get_settings
from app.web.dependencies import public
from app.web.headers import SECURITY_HEADERS
from tests.web_client import Browser, SignInAs


@pytest.fixture
def failing(application: FastAPI) -> FastAPI:
    """The application with one more route, which fails."""

    @application.get("/fault", dependencies=[Depends(public)])
    def fault() -> None:
        raise RuntimeError("a secret: hunter2")

    return application


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/health", 200),
        ("/sign-in", 200),
        ("/projects", 303),
        ("/nowhere", 404),
        ("/static/css/base.css", 200),
        ("/static/nowhere.css", 404),
        ("/api/v1/openapi.json", 200),
        ("/api/v1/nowhere", 404),
    ],
)
def test_are_on_every_kind_of_response(visitor: Browser, address: str, status: int):
    answer = visitor.get(address)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_are_on_the_page_of_a_fault_which_tells_nothing(failing: FastAPI):
    with Browser(failing, raise_server_exceptions=False) as browser:
        answer = browser.get("/fault")
        answer_json = browser.get("/fault", headers={"Accept": "application/json"})
    assert answer.status_code == 500
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "hunter2" not in answer.text
    assert answer_json.json()["error"]["code"] == "fault"


def test_allow_no_inline_script_or_style_and_nothing_from_elsewhere():
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy


def test_pages_are_never_kept_by_caches(sign_in_as: SignInAs):
    assert sign_in_as("viewer").get("/projects").headers["Cache-Control"] == "no-store"


def test_static_files_are_kept_and_asked_after(visitor: Browser):
    first = visitor.get("/static/css/base.css")
    assert first.headers["Cache-Control"] == "no-cache"
    again = visitor.get("/static/css/base.css", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["/static/../app/main.py", "/static/..%2fapp/main.py", "/static/%2e%2e/pyproject.toml"]
)
def test_static_files_never_lead_out_of_their_folder(visitor: Browser, path: str):
    assert visitor.get(path).status_code == 404


def test_https_is_remembered_once_cookies_are_secure(visitor: Browser, monkeypatch: pytest.MonkeyPatch):
    assert "Strict-Transport-Security" not in visitor.get("/sign-in").headers
    monkeypatch.setenv("WINNOW_SECURE_COOKIES", "true")
    get_settings.cache_clear()
    answer = visitor.get("/sign-in")
    assert answer.headers["Strict-Transport-Security"]
    assert answer.headers["Set-Cookie"].startswith("__Host-winnow_visit=")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_every_response_is_numbered(visitor: Browser):
    numbers = {visitor.get("/health").headers["X-Request-Id"] for _ in range(3)}
    assert len(numbers) == 3
