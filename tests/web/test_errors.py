"""Typed errors become one status each, as a page, a fragment or JSON."""

from __future__ import annotations

import pytest
from fastapi import Depends, FastAPI

from app.core import errors
from app.web.dependencies import public
from app.web.error_handlers import STATUSES
from tests.web_client import Browser, SignInAs

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def browser(application: FastAPI) -> Browser:
    @application.get("/raise/{name}", dependencies=[Depends(public)])
    def raise_it(name: str) -> None:
        raise getattr(errors, name)(f"because {HOSTILE}")

    @application.get("/number/{number}", dependencies=[Depends(public)])
    def number(number: int, size: int = 1) -> int:
        return number * size

    return Browser(application, follow_redirects=False)


@pytest.mark.parametrize("kind", [kind for kind in STATUSES if kind is not errors.NotSignedIn])
def test_each_error_has_its_status_in_every_form(browser: Browser, kind: type[errors.WinnowError]):
    page = browser.get(f"/raise/{kind.__name__}", headers={"Accept": "text/html"})
    fragment = browser.get(f"/raise/{kind.__name__}", headers={"Accept": "text/html", "X-Fragment": "1"})
    said = browser.get(f"/raise/{kind.__name__}", headers={"Accept": "application/json"})
    assert {page.status_code, fragment.status_code, said.status_code} == {STATUSES[kind]}
    assert page.text.lstrip().startswith("<!DOCTYPE html>")
    assert "<html" not in fragment.text
    assert "data-error-message" in fragment.text
    assert said.json()["error"] == {"code": kind.code, "message": f"because {HOSTILE}", "detail": {}}


def test_messages_are_text_in_pages_and_fragments(browser: Browser):
    for headers in ({}, {"X-Fragment": "1"}):
        answer = browser.get("/raise/Conflict", headers={"Accept": "text/html"} | headers)
        assert HOSTILE not in answer.text
        assert "&lt;script&gt;" in answer.text


def test_whoever_is_not_signed_in_is_led_to_the_form_and_back(browser: Browser):
    answer = browser.get("/raise/NotSignedIn?x=1&y=2", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/sign-in?next=/raise/NotSignedIn%3Fx%3D1%26y%3D2"


def test_a_script_that_is_not_signed_in_gets_401_instead(browser: Browser):
    answer = browser.get("/raise/NotSignedIn", headers={"X-Requested-With": "fetch"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_back_pressure_says_when_to_come_again(browser: Browser):
    assert browser.get("/raise/TooMany").headers["Retry-After"] == "1"


def test_a_number_that_is_none_in_the_address_is_a_page_that_does_not_exist(browser: Browser):
    assert browser.get("/number/seven").status_code == 404


def test_a_wrong_query_is_refused_in_plain_words(browser: Browser):
    answer = browser.get("/number/7?size=big", headers={"Accept": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"] == "Size must be a whole number."


def test_an_unknown_address_under_api_answers_json_to_anyone(browser: Browser):
    answer = browser.get("/api/v1/nowhere", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "http_404"


def test_a_wrong_method_says_which_is_right(browser: Browser):
    answer = browser.delete("/sign-in", headers={"Accept": "application/json"})
    assert answer.status_code == 405
    assert answer.headers["Allow"]


def test_every_typed_error_has_a_status():
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    assert {kind for kind in kinds if issubclass(kind, errors.WinnowError)} - {errors.WinnowError} == set(STATUSES)


def test_the_page_of_an_unknown_address_knows_who_is_signed_in(sign_in_as: SignInAs):
    page = sign_in_as("viewer").get("/nowhere").text
    assert "Sign out" in page
    assert 'href="/sign-in"' not in page
