"""What may be in the log: never a password, a token or a link, nor what a traceback would show of them."""

from __future__ import annotations

import logging
import re
import secrets
from base64 import b64encode
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import insert

from app.accounts import service
from app.accounts.models import User
from app.core.clock import now
from app.core.database import write
from app.core.settings import get_settings
from app.projects.models import Project
from app.web.csrf import visit_csrf_token
from app.web.dependencies import public
from tests.factories.serving import in_production
from tests.photos import photo
from tests.web_client import SESSION_COOKIE, Browser, SignInAs


def test_a_fault_is_logged_with_its_place_but_without_its_values(
    application: FastAPI, capfd: pytest.CaptureFixture[str]
):
    made: list[str] = []

    @application.get("/fault", dependencies=[Depends(public)])
    def fault() -> None:
        password = secrets.token_hex(8)
        made.append(password)
        raise RuntimeError(f"failed with {len(password)} characters")

    with Browser(application, raise_server_exceptions=False) as browser:
        number = browser.get("/fault").headers["X-Request-Id"]
    logged = capfd.readouterr().err
    assert "failed with 16 characters" in logged
    assert number in logged
    assert made[0] not in logged


def test_addresses_cookies_and_forms_are_not_logged(
    sign_in_as: SignInAs, visitor: Browser, capfd: pytest.CaptureFixture[str]
):
    with write() as session:
        link = service.make_setup_link(session)
    visitor.get(link)
    visitor.get("/sign-in", params={"next": "/projects?token=abc123"})
    visitor.post("/sign-in", data={"name": "ada", "password": "three brown foxes"})
    browser = sign_in_as("viewer")
    browser.get("/account", headers={"Authorization": "Bearer winnow_secret"})
    logged = capfd.readouterr().err
    assert "/setup/{token}" in logged
    for secret in (link, "abc123", "three brown foxes", "winnow_secret", browser.cookies[SESSION_COOKIE]):
        assert secret not in logged


@pytest.fixture
def loud(installation: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:  # noqa: ARG001 - must exist first
    """Everything that can be logged is."""
    monkeypatch.setenv("WINNOW_LOG_LEVEL", "DEBUG")
    get_settings.cache_clear()
    caplog.set_level(logging.DEBUG)
    for client in ("httpx", "httpx2", "httpcore"):
        logging.getLogger(client).disabled = True  # the client of the tests, which says whom it calls


def known_secrets(shown: str) -> list[str]:
    """What a page shows this once: one-time passwords and tokens."""
    return re.findall(r"winnow_[A-Za-z0-9_-]{40,}|\b(?:[a-z2-9]{4}-){4}[a-z2-9]{4}\b", shown)


@pytest.mark.usefixtures("loud")
def test_at_the_loudest_level_no_secret_and_no_picture_is_logged(
    sign_in_as: SignInAs,
    visitor: Browser,
    project: Project,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    in_production(project.id)
    root = sign_in_as("root")
    shown = root.post("/users", data={"name": "ann"}).text
    shown += root.post("/account/tokens", data={"name": "till", "project": project.slug, "role": "viewer"}).text
    secret = known_secrets(shown)
    assert len(secret) >= 2
    token = next(each for each in secret if each.startswith("winnow_"))
    headers = {"Authorization": f"Bearer {token}", "Cookie": "winnow_session=planted-session"}
    picture = photo()
    form = {"image": ("secret-name.jpg", picture, "image/jpeg")}
    assert visitor.post("/api/v1/identify", content=picture, headers=headers).status_code == 200
    assert visitor.post("/api/v1/identify", files=form, headers=headers).status_code == 200
    assert visitor.post("/api/v1/identify", content=picture[:500], headers=headers).status_code == 422
    base = f"/projects/{project.slug}/imports/uploads"
    upload = root.post(base).json()["upload_id"]
    root.post(f"{base}/{upload}/files?name=secret-name.jpg", content=picture)
    root.post("/account/password", data={"current": "three brown foxes", "password": "short"})
    logged = capfd.readouterr()
    text = logged.out + logged.err + caplog.text
    assert "/api/v1/identify" in text
    told = [*secret, root.cookies[SESSION_COOKIE], root.csrf_token, "planted-session", "three brown"]
    told += ["secret-name", b64encode(picture[:60]).decode()[:60], picture[20:60].hex(), repr(picture[:30])[2:-1]]
    assert [secret for secret in told if secret in text] == []


@pytest.mark.usefixtures("loud")
def test_an_error_of_the_database_is_logged_without_the_values(application: FastAPI, capfd: pytest.CaptureFixture[str]):
    @application.post("/fault/{token}", dependencies=[Depends(public)])
    def fault(token: str) -> None:
        with write() as session:
            session.execute(insert(User), [{"name": token, "password_hash": token, "created_at": now()}] * 2)

    with Browser(application, raise_server_exceptions=False) as browser:
        browser.get("/sign-in")
        visit = visit_csrf_token(browser.cookies["winnow_visit"])
        answer = browser.post("/fault/hunter2-hunter2", headers={"X-CSRF-Token": visit})
    logged = capfd.readouterr().err
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "IntegrityError" in logged
    assert "/fault/{token}" in logged
    assert logged.replace("Key (name)=(hunter2-hunter2)", "").count("hunter2") == 0
