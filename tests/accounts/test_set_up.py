"""The first administrator comes through a link that works once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from app.accounts import service
from app.accounts.models import SetupLink, User
from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from tests.factories.accounts import make_user
from tests.web_client import SESSION_COOKIE, Browser

PASSWORD = "three brown foxes"


def make_link() -> str:
    with write() as session:
        return service.make_setup_link(session)


def token_of(path: str) -> str:
    return path.removeprefix("/setup/")


def users() -> list[User]:
    with read() as session:
        return list(session.scalars(select(User)))


def test_the_link_makes_an_administrator_and_signs_them_in(visitor: Browser):
    path = make_link()
    page = visitor.get(path)
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page.text)
    assert token
    sent = {"name": "Ada", "password": PASSWORD, "csrf_token": token[1]}
    answer = visitor.post(path, data=sent)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/projects")
    assert SESSION_COOKIE in visitor.cookies
    assert visitor.get("/users").status_code == 200
    assert [(user.name, user.is_administrator) for user in users()] == [("ada", True)]


def test_the_link_works_once_only(visitor: Browser):
    path = make_link()
    service.set_up(token=token_of(path), name="ada", password=PASSWORD)
    with pytest.raises(NotFound):
        service.set_up(token=token_of(path), name="eve", password=PASSWORD)
    assert visitor.get(path).status_code == 404
    assert len(users()) == 1


@pytest.mark.usefixtures("installation")
def test_two_people_with_one_link_make_one_administrator():
    token = token_of(make_link())

    def try_as(name: str) -> str:
        try:
            service.set_up(token=token, name=name, password=PASSWORD)
        except NotFound:
            return "refused"
        return "made"

    with ThreadPoolExecutor(3) as pool:
        outcomes = sorted(pool.map(try_as, ("ada", "eve", "mallory")))
    assert outcomes == ["made", "refused", "refused"]
    assert len(users()) == 1


@pytest.mark.usefixtures("installation")
def test_a_newer_link_replaces_the_older():
    older, newer = make_link(), make_link()
    with read() as session:
        assert not service.is_setup_open(session, token_of(older))
        assert service.is_setup_open(session, token_of(newer))


@pytest.mark.usefixtures("installation")
def test_there_is_no_link_once_there_is_a_user():
    path = make_link()
    with write() as session:
        make_user(session)
    with pytest.raises(Conflict):
        make_link()
    with pytest.raises(NotFound):
        service.set_up(token=token_of(path), name="eve", password=PASSWORD)


def test_a_made_up_link_opens_nothing(visitor: Browser):
    make_link()
    assert visitor.get("/setup/guess").status_code == 404
    with pytest.raises(NotFound):
        service.set_up(token="guess", name="eve", password=PASSWORD)
    assert users() == []


@pytest.mark.usefixtures("installation")
def test_only_a_hash_of_the_link_is_stored():
    path = make_link()
    with read() as session:
        assert token_of(path) not in session.scalars(select(SetupLink)).one().token_hash


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize(
    ("name", "password"),
    [("", PASSWORD), ("a<b>", PASSWORD), ("ada", "short"), ("ada-lovelace", "Ada-Lovelace"), ("ada", "aaaaaaaaaaaa")],
)
def test_a_poor_name_or_password_leaves_the_link_open(name: str, password: str):
    path = make_link()
    with pytest.raises(InvalidInput):
        service.set_up(token=token_of(path), name=name, password=password)
    with read() as session:
        assert service.is_setup_open(session, token_of(path))


def test_sign_in_says_where_the_link_is_while_nobody_has_an_account(visitor: Browser):
    assert "one-time link" in visitor.get("/sign-in").text
    with write() as session:
        make_user(session)
    assert "one-time link" not in visitor.get("/sign-in").text
