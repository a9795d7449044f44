"""Administrators make users; a one-time password opens nothing but the way to one's own."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.accounts import service, sessions
from app.accounts.models import AuditEntry, User
from app.accounts.schemas import tidy_user_name
from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from tests.factories.accounts import make_user
from tests.web_client import SESSION_COOKIE, Browser, SignInAs


def shown_secret(text: str) -> str:
    found = re.search(r"data-secret>([^<]+)<", text)
    assert found
    return found[1]


def test_a_new_user_has_a_one_time_password_that_is_shown_once(sign_in_as: SignInAs):
    root = sign_in_as("root")
    made = root.post("/users", data={"name": "Grace"})
    password = shown_secret(made.text)
    assert password not in root.get("/users").text
    with read() as session:
        user = service.find_user(session, "grace")
    assert user.must_change_password
    assert not user.is_administrator
    assert password not in user.password_hash


def test_with_a_one_time_password_only_the_way_to_an_own_one_is_open(sign_in_as: SignInAs):
    root, grace = sign_in_as("root"), sign_in_as("viewer")
    password = shown_secret(root.post(f"/users/{grace.user_id}/password").text)
    assert grace.get("/projects").headers["Location"].startswith("/sign-in")
    with read() as session:
        name = service.get_user(session, grace.user_id).name
    grace.cookies.set(SESSION_COOKIE, sessions.sign_in(name=name, password=password))
    assert grace.get("/projects").headers["Location"] == "/account/password"
    assert grace.get("/projects", headers={"Accept": "application/json"}).status_code == 403
    changed = grace.post("/account/password", data={"current": password, "password": "four green herons"})
    assert changed.status_code == 303
    assert grace.get("/projects").status_code == 200


def test_two_users_cannot_have_one_name_whatever_its_capitals(sign_in_as: SignInAs):
    root = sign_in_as("root")
    root.post("/users", data={"name": "grace"})
    answer = root.post("/users", data={"name": "GRACE"})
    assert answer.status_code == 409
    assert "There is a user grace already." in answer.text


@pytest.mark.usefixtures("installation")
def test_a_user_can_be_made_by_command_with_a_password_of_their_own():
    user_id, _ = service.create_user(name="grace", by=None, password="four green herons", is_administrator=True)
    with read() as session:
        assert not service.get_user(session, user_id).must_change_password
    assert sessions.sign_in(name="grace", password="four green herons")


def test_nobody_closes_their_own_account_nor_the_last_administrators(sign_in_as: SignInAs):
    root = sign_in_as("root")
    assert root.post(f"/users/{root.user_id}/deactivate").status_code == 409
    with write() as session:
        other = make_user(session).id
        with pytest.raises(Conflict, match="last active administrator"):
            service.set_active(session, root.user_id, is_active=False, by=other)
    assert root.get("/users").status_code == 200


def test_an_account_can_be_opened_again(sign_in_as: SignInAs):
    root, grace = sign_in_as("root"), sign_in_as("viewer")
    root.post(f"/users/{grace.user_id}/deactivate")
    assert "closed" in root.get("/users").text
    root.post(f"/users/{grace.user_id}/activate")
    with read() as session:
        assert session.get_one(User, grace.user_id).is_active


@pytest.mark.parametrize("act", ["password", "activate", "deactivate"])
def test_an_unknown_user_is_not_found(sign_in_as: SignInAs, act: str):
    assert sign_in_as("root").post(f"/users/999/{act}").status_code == 404
    with read() as session, pytest.raises(NotFound):
        service.find_user(session, "nobody")


def test_what_was_done_to_accounts_is_in_the_audit_without_secrets(sign_in_as: SignInAs):
    root = sign_in_as("root")
    password = shown_secret(root.post("/users", data={"name": "grace", "is_administrator": "true"}).text)
    with read() as session:
        entries = list(session.scalars(select(AuditEntry).where(AuditEntry.user_id == root.user_id)))
    assert [(entry.action, entry.subject) for entry in entries if entry.action == "user.created"] == [
        ("user.created", "grace")
    ]
    assert password not in str([entry.detail for entry in entries])


@pytest.mark.parametrize(
    ("typed", "kept"), [("Ada", "ada"), (" Jürgen K ", "jürgen k"), ("ｆｕｌｌ", "full"), ("a", "a")]
)
def test_names_are_kept_in_one_spelling(typed: str, kept: str):
    assert tidy_user_name(typed) == kept


@pytest.mark.parametrize("name", ["", " ", "<script>", "a\u202eb", "a\x00b", "-a", "a" * 65, "a/b"])
def test_a_name_with_signs_that_deceive_is_refused(name: str):
    with pytest.raises(InvalidInput):
        tidy_user_name(name)


def test_the_page_shows_whatever_comes_as_text(sign_in_as: SignInAs):
    root = sign_in_as("root")
    answer = root.post("/users", data={"name": '"><script>alert(1)</script>'})
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text


def test_the_account_page_is_a_page(sign_in_as: SignInAs):
    page: Browser = sign_in_as("viewer")
    assert "this one" in page.get("/account").text
