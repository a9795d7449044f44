"""Templates: escaped, strict, with notices that show once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi import Depends, FastAPI, Request
from jinja2 import UndefinedError
from starlette.responses import Response

from app.core.clock import now
from app.web import filters
from app.web.dependencies import public
from app.web.templating import redirect, render
from tests.web_client import Browser


@pytest.fixture
def browser(application: FastAPI) -> Browser:
    @application.get("/leave", dependencies=[Depends(public)])
    def leave() -> Response:
        return redirect("/sign-in", "Saved <b>well</b>.", kind="warn")

    @application.get("/incomplete", dependencies=[Depends(public)])
    def incomplete(request: Request) -> Response:
        return render(request, "accounts/sign_in.html")

    return Browser(application, follow_redirects=False)


def test_a_notice_is_shown_once_and_as_text(browser: Browser):
    assert browser.get("/leave").status_code == 303
    first, second = browser.get("/sign-in"), browser.get("/sign-in")
    assert "Saved &lt;b&gt;well&lt;/b&gt;." in first.text
    assert "notice-warn" in first.text
    assert "Saved" not in second.text


@pytest.mark.parametrize("cookie", ["e30.0", "garbage", ".", "é.é"])
def test_a_notice_that_we_did_not_make_is_not_shown(browser: Browser, cookie: str):
    answer = browser.get("/sign-in", headers={"Cookie": f"winnow_notice={cookie}".encode()})
    assert answer.status_code == 200
    assert "flashes" not in answer.text


def test_a_missing_name_is_an_error_not_an_empty_place(browser: Browser):
    with pytest.raises(UndefinedError):
        browser.get("/incomplete")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (filters.number(12345), "12,345"),
        (filters.number(0.8734, 2), "0.87"),
        (filters.number(None), "–"),
        (filters.number(float("nan")), "–"),
        (filters.percent(0.873), "87%"),
        (filters.percent(None), "–"),
        (filters.duration(4.21), "4.2 s"),
        (filters.duration(200), "3 min 20 s"),
        (filters.duration(7500), "2 h 5 min"),
        (filters.duration(None), "–"),
        (filters.filesize(512), "512 B"),
        (filters.filesize(3.5 * 2**20), "3.5 MiB"),
        (filters.filesize(2**41), "2.0 TiB"),
        (filters.filesize(None), "–"),
        (filters.count_of(1, "image"), "1 image"),
        (filters.count_of(2054, "image"), "2,054 images"),
        (filters.count_of(2, "class", "classes"), "2 classes"),
        (filters.when(None), "–"),
    ],
)
def test_figures_are_written_with_their_units(written: str, expected: str):
    assert written == expected


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=5), ">just now<"),
        (timedelta(minutes=5), ">5 min ago<"),
        (timedelta(hours=3), ">3 h ago<"),
        (timedelta(days=1), ">1 day ago<"),
        (timedelta(days=3), ">3 days ago<"),
        (timedelta(days=30), " 20"),
    ],
)
def test_times_are_near_words_with_the_exact_moment_at_hand(age: timedelta, words: str):
    written = filters.when(now() - age)
    assert words in written
    assert 'datetime="' in written
