"""A browser for tests: the real application, signed in through a real session row, CSRF token sent by itself.

Fixtures: `application` (the app), `visitor` (nobody signed in), `project` (a ProjectRow), `sign_in_as(role)` (a Browser
signed in as a member of `project` with that role; "stranger": no member; "root": administrator of the installation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.sessions import open_session
from app.accounts.tokens import create_token
from app.core.database import write
from app.projects.models import Project
from app.web.access import RoleName
from app.web.csrf import SAFE_METHODS, session_csrf_token
from tests.factories.accounts import make_user
from tests.factories.projects import add_member, make_project

SESSION_COOKIE = "winnow_session"


class Browser(TestClient):
    """A TestClient that does not follow redirects and sends the session's CSRF token with unsafe requests.

    `user_id` is who is signed in. `send_csrf = False` leaves the token out.
    """

    user_id: int = 0
    send_csrf: bool = True

    @property
    def csrf_token(self) -> str:
        """The token that this session's forms carry."""
        return session_csrf_token(self.cookies.get(SESSION_COOKIE) or "")

    def request(self, method: str, url: Any, **options: Any) -> httpx2.Response:
        headers = dict(options.pop("headers", None) or {})
        if method.upper() not in SAFE_METHODS and self.send_csrf and self.cookies.get(SESSION_COOKIE):
            headers.setdefault("X-CSRF-Token", self.csrf_token)
        return super().request(method, url, headers=headers, **options)


SignInAs = Callable[..., Browser]


@pytest.fixture
def application(installation: Path) -> FastAPI:  # noqa: ARG001 - must exist first
    """The application over an installation of its own."""
    from app.main import create_app  # only tests of pages pay for, and depend on, every router

    return create_app()


@pytest.fixture
def visitor(application: FastAPI) -> Iterator[Browser]:
    """A browser in which nobody is signed in."""
    with Browser(application, follow_redirects=False) as browser:
        yield browser


@pytest.fixture
def project(installation: Path) -> Project:  # noqa: ARG001 - must exist first
    """A project, made by nobody in particular."""
    with write() as session:
        return make_project(session, "Birds of the marsh")


@pytest.fixture
def sign_in_as(application: FastAPI, project: Project) -> Iterator[SignInAs]:
    """`sign_in_as("labeller")` gives a Browser; each call makes another user."""
    with ExitStack() as stack:

        def sign_in(role: str) -> Browser:
            with write() as session:
                user = make_user(session, is_administrator=role == "root")
                if role not in ("root", "stranger"):
                    add_member(session, project_id=project.id, user_id=user.id, role=role)
                token = open_session(session, user_id=user.id)
            browser = stack.enter_context(Browser(application, follow_redirects=False))
            browser.user_id = user.id
            browser.cookies.set(SESSION_COOKIE, token)
            return browser

        yield sign_in


def make_api_token(*, user_id: int, project_id: int, role: RoleName = "viewer", days: int | None = None) -> str:
    """An API token to send as `Authorization: Bearer`."""
    with write() as session:
        return create_token(
            session,
            user_id=user_id,
            project_id=project_id,
            name="test client",
            role=role,
            own_role="administrator",
            days=days,
        )
