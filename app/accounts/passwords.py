"""Passwords: argon2id, a length rule, one-time passwords.

Hashing takes about 0.2 s and 64 MiB: never do it while a transaction is open.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import BoundedSemaphore

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.core.errors import InvalidInput, TooMany

SHORTEST, LONGEST = 10, 256
_AT_ONCE = 4
_WAIT_SECONDS = 10.0
_hasher = PasswordHash((Argon2Hasher(),))
_turns = BoundedSemaphore(_AT_ONCE)


@contextmanager
def _turn() -> Iterator[None]:
    """Few at once, so that a flood of sign-ins takes neither all memory nor all threads."""
    if not _turns.acquire(timeout=_WAIT_SECONDS):
        raise TooMany("Too many people sign in at this moment. Try again shortly.", retry_after_s=5)
    try:
        yield
    finally:
        _turns.release()


def check_rule(password: str, *, user_name: str) -> None:
    """Raises InvalidInput for a password that is too short, too long or the name itself."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(
            f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}.",
            detail={"fields": {"password": f"needs {SHORTEST} to {LONGEST} characters"}},
        )
    if password.casefold() == user_name.casefold() or len(set(password)) == 1:
        raise InvalidInput(
            "That password is too easy to guess.", detail={"fields": {"password": "is too easy to guess"}}
        )


def hash_password(password: str) -> str:
    """The argon2id hash to store."""
    with _turn():
        return _hasher.hash(password)


def is_right(password: str, stored: str | None) -> bool:
    """Whether the password fits. Without a stored hash (no such user) the same work is done, and the answer is no."""
    with _turn():
        fits = _hasher.verify(password[:LONGEST], stored or _nobodys_hash())
    return fits and stored is not None


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))


def make_one_time_password() -> str:
    """A random password of 96 bits that can be read out, in groups of four."""
    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(5))
