"""Guessing is slow, and tells nothing of who exists."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.accounts import passwords, sessions
from app.accounts.models import AuditEntry, SignInFailure
from app.core.clock import now
from app.core.database import read, write
from app.core.errors import NotSignedIn, TooMany
from tests.factories.accounts import make_user

PASSWORD = "three brown foxes"


@pytest.fixture(autouse=True)
def _ada(installation: object) -> None:  # noqa: ARG001 - must exist first
    """A user with a real password."""
    with write() as session:
        make_user(session, "ada", password_hash=passwords.hash_password(PASSWORD))


def fail(name: str, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(NotSignedIn, match="name or the password"):
            sessions.sign_in(name=name, password="wrong")


def note_failures(name: str, count: int, *, paused: timedelta | None = None) -> None:
    """Failures as they would stand in the table, without the cost of hashing for each."""
    fail(name)
    until = now() + paused if paused else None
    with write() as session:
        session.execute(update(SignInFailure).values(failures=count, locked_until=until))


def pause_of(name: str) -> timedelta:
    with read() as session:
        failure = session.get_one(SignInFailure, sessions._name_digest(name))
    assert failure.locked_until is not None
    return failure.locked_until - failure.last_at


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_five_failures_pause_a_name_whether_or_not_it_exists(name: str):
    fail(name, times=5)
    with pytest.raises(TooMany) as refused:
        sessions.sign_in(name=name, password=PASSWORD)
    assert 25 <= refused.value.retry_after_s <= 30


def test_each_further_failure_doubles_the_pause_up_to_a_limit():
    pauses = []
    for count in (4, 5, 6, 40):
        note_failures("ada", count)
        fail("ada")
        pauses.append(pause_of("ada"))
        with write() as session:
            session.execute(update(SignInFailure).values(locked_until=None))
    expected = [timedelta(seconds=30), timedelta(seconds=60), timedelta(seconds=120), timedelta(minutes=15)]
    assert [round(pause.total_seconds()) for pause in pauses] == [one.total_seconds() for one in expected]


def test_the_right_password_opens_after_the_pause_and_clears_the_count():
    note_failures("ada", 7, paused=timedelta(seconds=-1))
    assert sessions.sign_in(name="ADA ", password=PASSWORD)
    with read() as session:
        assert session.scalar(select(SignInFailure)) is None
        assert session.scalars(select(AuditEntry.action)).all() == ["user.signed_in"]


def test_a_pause_of_one_name_leaves_others_alone():
    note_failures("nobody", 9, paused=timedelta(minutes=5))
    assert sessions.sign_in(name="ada", password=PASSWORD)


def test_what_was_typed_as_a_name_is_not_stored():
    """People type passwords into the wrong field."""
    fail("my secret password")
    with read() as session:
        failure = session.scalars(select(SignInFailure)).one()
        assert "secret" not in failure.name_digest
        assert session.scalars(select(AuditEntry)).all() == []


def test_failures_are_forgotten_after_a_day():
    note_failures("someone", 3)
    with write() as session:
        session.execute(update(SignInFailure).values(last_at=now() - timedelta(days=2)))
    fail("ada")
    with read() as session:
        assert [one.failures for one in session.scalars(select(SignInFailure))] == [1]


@pytest.mark.parametrize("stored", [None, "hash of a password"])
def test_a_name_that_does_not_exist_costs_a_hash_too(stored: str | None, monkeypatch: pytest.MonkeyPatch):
    done: list[str] = []

    class Counting:
        def verify(self, password: str, _: str) -> bool:
            done.append(password)
            return True

        def hash(self, _: str) -> str:
            return "nobody"

    monkeypatch.setattr(passwords, "_hasher", Counting())
    assert passwords.is_right("guess", stored) == (stored is not None)
    assert done == ["guess"]
