"""Sessions: new at sign-in, hashed in the database, sliding, ended for good."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.accounts import passwords, service, sessions
from app.accounts.models import ApiToken, User, UserSession
from app.core.clock import now
from app.core.database import read, write
from app.core.settings import get_settings
from app.projects.models import Project
from app.web.csrf import visit_csrf_token
from tests.factories.accounts import make_user
from tests.web_client import SESSION_COOKIE, Browser, SignInAs, make_api_token

PASSWORD = "three brown foxes"


@pytest.fixture
def ada(visitor: Browser) -> int:  # noqa: ARG001 - its installation must exist first
    """A user with a real password."""
    with write() as session:
        return make_user(session, "ada", password_hash=passwords.hash_password(PASSWORD)).id


def sign_in(browser: Browser, name: str = "ada", password: str = PASSWORD, **fields: str):
    page = browser.get("/sign-in")
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page.text)
    assert token
    sent = {"name": name, "password": password, "csrf_token": token[1]} | fields
    return browser.post("/sign-in", data=sent)


def only_session() -> UserSession:
    with read() as session:
        return session.scalars(select(UserSession)).one()


@pytest.mark.usefixtures("ada")
def test_the_form_signs_in_and_leads_on(visitor: Browser):
    answer = sign_in(visitor, next="/projects/x?state=pool")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/projects/x?state=pool")
    assert "ada" in visitor.get("/projects").text


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("onward", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example"])
def test_the_way_on_never_leads_to_another_site(visitor: Browser, onward: str):
    assert sign_in(visitor, next=onward).headers["Location"] == "/"
    page = visitor.get("/sign-in", params={"next": onward})
    assert page.headers["Location"] == "/"


@pytest.mark.usefixtures("ada")
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Browser):
    answer = sign_in(visitor)
    cookie = next(c for c in answer.headers.get_list("Set-Cookie") if c.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


@pytest.mark.usefixtures("ada")
def test_only_a_hash_of_the_token_is_stored(visitor: Browser):
    sign_in(visitor)
    token = visitor.cookies[SESSION_COOKIE]
    assert only_session().token_hash == sessions.token_hash(token)
    assert token not in only_session().token_hash
    assert len(token) >= 43


@pytest.mark.usefixtures("ada")
def test_signing_in_always_makes_a_new_token_and_ends_the_old_one(visitor: Browser):
    visitor.cookies.set(SESSION_COOKIE, "planted-by-an-attacker", domain="testserver.local")
    visitor.send_csrf = False
    sign_in(visitor)
    first = visitor.cookies[SESSION_COOKIE]
    assert first != "planted-by-an-attacker"
    assert "winnow_visit" not in visitor.cookies
    visitor.cookies.set("winnow_visit", "v", domain="testserver.local")
    again = {"name": "ada", "password": PASSWORD, "csrf_token": visitor.csrf_token}
    assert visitor.post("/sign-in", data=again).status_code == 303
    assert visitor.cookies[SESSION_COOKIE] != first
    assert only_session().token_hash == sessions.token_hash(visitor.cookies[SESSION_COOKIE])


@pytest.mark.usefixtures("ada")
def test_the_token_of_the_visit_is_worth_nothing_after_signing_in(visitor: Browser):
    visitor.get("/sign-in")
    before = visit_csrf_token(visitor.cookies["winnow_visit"])
    sign_in(visitor)
    visitor.send_csrf = False
    assert visitor.post("/sign-out", data={"csrf_token": before}).status_code == 403


def test_signing_out_ends_the_session_in_the_database(sign_in_as: SignInAs):
    browser = sign_in_as("viewer")
    token = browser.cookies[SESSION_COOKIE]
    assert browser.post("/sign-out").headers["Location"] == "/sign-in"
    browser.cookies.set(SESSION_COOKIE, token)
    assert browser.get("/account", headers={"Accept": "application/json"}).status_code == 401


def test_a_session_that_was_used_lasts_on_and_one_that_was_not_ends(sign_in_as: SignInAs):
    browser = sign_in_as("viewer")
    with write() as session:
        long_ago = now() - timedelta(minutes=5)
        session.execute(update(UserSession).values(last_used_at=long_ago, expires_at=now() + timedelta(minutes=1)))
    assert browser.get("/account").status_code == 200
    assert only_session().expires_at > now() + timedelta(days=get_settings().session_days - 1)
    with write() as session:
        session.execute(update(UserSession).values(expires_at=now() - timedelta(seconds=1)))
    assert browser.get("/account").status_code == 303


def test_use_is_written_down_at_most_once_a_minute(sign_in_as: SignInAs):
    browser = sign_in_as("viewer")
    with write() as session:
        recent = now() - timedelta(seconds=50)
        session.execute(update(UserSession).values(last_used_at=recent))
    browser.get("/account")
    assert only_session().last_used_at == recent


def test_one_ends_ones_own_sessions_but_nobody_elses(sign_in_as: SignInAs):
    mine, theirs = sign_in_as("viewer"), sign_in_as("viewer")
    with read() as session:
        their_id = sessions.sessions_of(session, theirs.user_id)[0].id
    assert mine.post(f"/account/sessions/{their_id}/end").status_code == 404
    assert theirs.get("/account").status_code == 200
    assert theirs.post(f"/account/sessions/{their_id}/end").status_code == 303
    assert theirs.get("/account").status_code == 303


def test_changing_the_password_ends_every_other_session(visitor: Browser, ada: int):
    sign_in(visitor)
    with write() as session:
        elsewhere = sessions.open_session(session, user_id=ada)
    sent = {"current": PASSWORD, "password": "four green herons"}
    assert visitor.post("/account/password", data=sent).status_code == 303
    assert visitor.get("/account").status_code == 200
    with read() as session:
        assert sessions.find_session(session, elsewhere) is None


def test_the_present_password_is_needed_for_a_new_one(visitor: Browser, ada: int):
    sign_in(visitor)
    sent = {"current": "something else", "password": "four green herons"}
    answer = visitor.post("/account/password", data=sent)
    assert answer.status_code == 422
    assert "four green herons" not in answer.text
    with read() as session:
        stored = session.get_one(User, ada).password_hash
    assert passwords.is_right(PASSWORD, stored)


def test_closing_an_account_ends_sessions_and_tokens_at_once(sign_in_as: SignInAs, visitor: Browser, project: Project):
    root, leaver = sign_in_as("root"), sign_in_as("labeller")
    token = make_api_token(user_id=leaver.user_id, project_id=project.id, role="labeller")
    assert root.post(f"/users/{leaver.user_id}/deactivate").status_code == 303
    assert leaver.get("/projects").status_code == 303
    with read() as session:
        assert session.scalars(select(ApiToken)).one().revoked_at is None
    bearer = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    assert visitor.get("/projects/birds-of-the-marsh/settings", headers=bearer).status_code == 401


@pytest.mark.usefixtures("ada")
def test_a_closed_account_cannot_sign_in_and_learns_nothing_of_that(visitor: Browser):
    with write() as session:
        session.execute(update(User).values(is_active=False))
    closed = sign_in(visitor)
    unknown = sign_in(visitor, name="nobody")
    assert closed.status_code == unknown.status_code == 401
    assert "The name or the password is not right." in closed.text
    assert "The name or the password is not right." in unknown.text


@pytest.mark.usefixtures("installation")
def test_passwords_are_argon2id():
    assert passwords.hash_password("a password of mine").startswith("$argon2id$")


def test_there_is_no_registration_and_no_default_account(visitor: Browser):
    with read() as session:
        assert not service.has_users(session)
    for address in ("/register", "/sign-up", "/signup", "/users"):
        assert visitor.post(address, data={"name": "x", "password": "y" * 12}).status_code in (401, 403, 404)
