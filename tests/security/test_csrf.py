"""Forged requests change nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from app.accounts.models import User
from app.core.database import read
from app.core.settings import get_settings
from app.projects.models import Project
from app.web.csrf import session_csrf_token
from app.web.secret import keyed_digest
from tests.web_client import Browser, SignInAs, make_api_token

ARCHIVE = "/projects/birds-of-the-marsh/archive"


def is_archived(project: Project) -> bool:
    with read() as session:
        return session.get_one(Project, project.id).archived_at is not None


@pytest.fixture
def victim(sign_in_as: SignInAs) -> Browser:
    browser = sign_in_as("administrator")
    browser.send_csrf = False
    return browser


def test_a_request_without_the_token_is_refused(victim: Browser, project: Project):
    answer = victim.post(ARCHIVE, headers={"Accept": "application/json"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "csrf"
    assert not is_archived(project)


@pytest.mark.parametrize("token", ["", "x", "0" * 64, "ü"])
def test_a_made_up_token_is_refused(victim: Browser, project: Project, token: str):
    assert victim.post(ARCHIVE, data={"csrf_token": token}).status_code == 403
    assert victim.post(ARCHIVE, headers={"X-CSRF-Token": token.encode()}).status_code == 403
    assert not is_archived(project)


def test_the_token_of_another_session_is_refused(victim: Browser, sign_in_as: SignInAs, project: Project):
    other = sign_in_as("administrator")
    assert victim.post(ARCHIVE, data={"csrf_token": other.csrf_token}).status_code == 403
    assert not is_archived(project)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://testserver.elsewhere.example"},
    ],
)
def test_another_site_is_refused_even_with_the_token(victim: Browser, project: Project, headers: dict[str, str]):
    victim.send_csrf = True
    assert victim.post(ARCHIVE, headers=headers).status_code == 403
    assert not is_archived(project)


@pytest.mark.parametrize("way", ["form", "multipart", "header"])
def test_the_pages_own_form_is_accepted(victim: Browser, project: Project, way: str):
    own = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    fields = {"csrf_token": victim.csrf_token}
    if way == "header":
        answer = victim.post(ARCHIVE, headers=own | {"X-CSRF-Token": victim.csrf_token})
    elif way == "multipart":
        answer = victim.post(ARCHIVE, headers=own, files={"x": b"y"}, data=fields)
    else:
        answer = victim.post(ARCHIVE, headers=own, data=fields)
    assert answer.status_code == 303
    assert is_archived(project)


def test_the_public_address_counts_as_ours_behind_a_proxy(
    victim: Browser, project: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WINNOW_PUBLIC_URL", "https://winnow.example")
    get_settings.cache_clear()
    victim.send_csrf = True
    assert victim.post(ARCHIVE, headers={"Origin": "https://winnow.example"}).status_code == 303
    assert is_archived(project)


def test_an_api_token_needs_none_since_no_browser_adds_it(sign_in_as: SignInAs, visitor: Browser, project: Project):
    owner = sign_in_as("administrator")
    token = make_api_token(user_id=owner.user_id, project_id=project.id, role="administrator")
    assert visitor.post(ARCHIVE, headers={"Authorization": f"Bearer {token}"}).status_code == 303
    assert is_archived(project)


def test_an_invalid_api_token_does_not_fall_back_to_the_cookie(victim: Browser, project: Project):
    victim.send_csrf = True
    for bearer in ("winnow_wrong", "wrong"):
        answer = victim.post(ARCHIVE, headers={"Authorization": f"Bearer {bearer}"})
        assert answer.status_code == 401
    assert not is_archived(project)


def test_sign_in_and_set_up_are_protected_before_there_is_a_session(visitor: Browser):
    assert visitor.post("/sign-in", data={"name": "a", "password": "b"}).status_code == 403
    assert visitor.post("/setup/x", data={"name": "a", "password": "b" * 12}).status_code == 403
    with read() as session:
        assert session.query(User).count() == 0


def test_a_planted_visit_gives_no_token_for_a_session(victim: Browser, project: Project):
    visit = "planted"
    victim.cookies.set("winnow_visit", visit)
    answer = victim.post(ARCHIVE, data={"csrf_token": keyed_digest("csrf-visit", visit)})
    assert answer.status_code == 403
    assert not is_archived(project)


def test_the_secret_is_made_at_first_use_for_its_owner_alone(installation: Path):
    path = installation / "secret.key"
    assert not path.exists()
    session_csrf_token("x")
    assert len(path.read_bytes()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(installation.glob(".secret.key.*")) == []


def test_two_installations_never_share_a_token(installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here = session_csrf_token("x")
    monkeypatch.setenv("WINNOW_DATA_DIR", str(tmp_path / "other"))
    get_settings.cache_clear()
    assert session_csrf_token("x") != here
    monkeypatch.setenv("WINNOW_DATA_DIR", str(installation))
    get_settings.cache_clear()
    assert session_csrf_token("x") == here
