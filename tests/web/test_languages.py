"""Pages speak the language that was chosen, else the one the browser accepts, else English."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.core.clock import now
from app.core.texts import best_language, languages, speaking, tr
from app.web.filters import FILTERS
from app.web.script_texts import texts_address
from tests.web_client import Browser, SignInAs


@pytest.mark.parametrize(
    ("chosen", "accepted", "spoken"),
    [
        (None, "", "en"),
        (None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, "en-GB,de;q=0.5", "en"),
        (None, "fr;q=0.9,de;q=0.3,en;q=0.1", "de"),
        (None, "tlh, x;q=abc, ;;;", "en"),
        ("de", "en", "de"),
        ("../de", "en", "en"),
    ],
)
def test_the_choice_wins_then_what_the_browser_likes_best(chosen: str | None, accepted: str, spoken: str):
    assert best_language(chosen, accepted) == spoken


def test_a_text_without_a_translation_stays_as_it_is():
    with speaking("de"):
        assert tr("Library") == "Bibliothek"
        assert tr("no such text of %(name)s", name="ours") == "no such text of ours"
    assert tr("Library") == "Library"


def test_figures_and_times_are_written_the_languages_way():
    at = now() - timedelta(hours=3)
    said = {
        "number": (12345.678, 1),
        "percent": (0.8734, 1),
        "filesize": (3_500_000,),
        "duration": (4.25,),
        "when": (at,),
    }
    with speaking("de"):
        german = {name: str(FILTERS[name](*values)) for name, values in said.items()}
    english = {name: str(FILTERS[name](*values)) for name, values in said.items()}
    assert [german[name] for name in said][:4] == ["12.345,7", "87,3\N{NO-BREAK SPACE}%", "3,3 MiB", "4,2 s"]
    assert [english[name] for name in said][:4] == ["12,345.7", "87.3%", "3.3 MiB", "4.2 s"]
    assert (">vor 3 Std.<" in german["when"], ">3 h ago<" in english["when"]) == (True, True)
    with speaking("de"):
        assert ">01.02.2024<" in FILTERS["when"](datetime(2024, 2, 1, tzinfo=UTC))


def test_pages_speak_the_language_of_the_browser_until_another_is_chosen(sign_in_as: SignInAs):
    browser = sign_in_as("viewer")
    german = {"accept-language": "de"}
    page = browser.get("/account", headers=german).text
    assert '<html lang="de"' in page
    assert ">Diese Sprache verwenden<" in page
    answer = browser.post("/language", data={"language": "en", "next": "/account"}, headers=german)
    assert answer.status_code == 303
    assert '<html lang="en"' in browser.get("/account", headers=german).text


def test_an_unknown_language_is_refused_and_nothing_is_kept(sign_in_as: SignInAs):
    browser = sign_in_as("viewer")
    answer = browser.post("/language", data={"language": "../../etc/passwd"})
    assert answer.status_code == 422
    assert "received" in answer.text
    assert not any("language" in name for name in answer.cookies)


def test_scripts_get_their_texts_by_an_address_that_changes_with_them(visitor: Browser):
    for code in languages():
        with speaking(code):
            address = texts_address()
        if code == "en":
            assert address == ""
            continue
        answer = visitor.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert visitor.get("/texts/..%2f..%2fpasswd.json").status_code == 404
    assert visitor.get("/texts/xx.json").status_code == 404
