"""How much may be sent, and that nobody uploads who may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI

from app.web.access import Access
from app.web.dependencies import RawBody, public, require
from app.web.limits import FORM_BYTES, accepts_upload
from tests.web_client import Browser, SignInAs

Engineer = Annotated[Access, Depends(require("engineer"))]


@pytest.fixture
def browser(application: FastAPI, visitor: Browser) -> Browser:
    @application.post("/projects/{slug}/swallow")
    @accepts_upload(lambda: 2 * FORM_BYTES)
    def swallow(access: Engineer, body: RawBody) -> int:  # noqa: ARG001 - the rule
        return len(body)

    @application.post("/sip", dependencies=[Depends(public)])
    def sip(body: RawBody) -> int:
        return len(body)

    return visitor


def test_a_form_over_the_limit_is_refused_by_its_declared_length(browser: Browser):
    answer = browser.post("/sign-in", content=b"x" * (FORM_BYTES + 1), headers={"Content-Type": "application/json"})
    assert answer.status_code in (403, 413)
    assert browser.post("/sign-in", data={"name": "x" * FORM_BYTES}).status_code == 413


def test_a_body_of_unknown_length_is_refused_as_it_arrives(browser: Browser):
    def endless() -> Iterator[bytes]:
        yield b"name="
        for _ in range(FORM_BYTES // 2**16 + 1):
            yield b"x" * 2**16

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = browser.post("/sign-in", content=endless(), headers=form | {"Accept": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["error"]["message"] == f"At most {FORM_BYTES:,} bytes may be sent here."


@pytest.mark.usefixtures("browser")
def test_an_upload_route_takes_what_it_says_and_no_more(sign_in_as: SignInAs):
    engineer = sign_in_as("engineer")
    address = "/projects/birds-of-the-marsh/swallow"
    assert engineer.post(address, content=b"x" * (2 * FORM_BYTES)).json() == 2 * FORM_BYTES
    assert engineer.post(address, content=b"x" * (3 * FORM_BYTES)).status_code == 413


@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize("role", ["viewer", "stranger"])
def test_nothing_is_read_from_whoever_may_not_upload(sign_in_as: SignInAs, role: str):
    read_bytes = 0

    def counted() -> Iterator[bytes]:
        nonlocal read_bytes
        for _ in range(64):
            read_bytes += 2**16
            yield b"x" * 2**16

    answer = sign_in_as(role).post("/projects/birds-of-the-marsh/swallow", content=counted())
    assert answer.status_code == (403 if role == "viewer" else 404)
    assert read_bytes == 0
