"""The scripts that every page shares, in a real Chromium under the pages' own content policy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from app.core.settings import ROOT
from app.web.headers import CONTENT_POLICY
from app.web.templating import _environment

pytestmark = pytest.mark.browser

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
ADDRESS = "http://winnow.test"
PAGE = """
{% extends "base.html" %}
{% from "macros/images.html" import image_grid, cell, suggestion %}
{% block scripts %}<script type="module" src="/probe.js"></script>{% endblock %}
{% block main %}
  {% call image_grid("images", "Images", size="s") %}
    {% for number in range(1, 31) %}
      {{ cell(number, "/none.png", "Image " ~ number, href="/image/" ~ number) }}
    {% endfor %}
  {% endcall %}
  {{ suggestion(1, 7, "Apple", 0.9) }}
  <div class="typeahead"><input class="input" id="class" aria-label="Class"></div>
{% endblock %}
"""
PROBE = """
import { gridOf } from "/static/js/core/grid.js";
import { bind } from "/static/js/core/keys.js";
import { postJson } from "/static/js/core/fetch.js";
import { toast, toastError, undoLatest } from "/static/js/core/toast.js";
import { Typeahead } from "/static/js/core/typeahead.js";
const done = [];
const subOf = (at) => (at === 700 ? "Crème" : "");
const entries = Array.from({ length: 1500 }, (_, at) => ({ id: at, name: `Class ${at}`, sub: subOf(at) }));
const input = document.getElementById("class");
const typeahead = new Typeahead(input, {
  entries,
  onPick: (entry) => done.push(`pick ${entry.name}`),
  onPropose: (text) => done.push(`propose ${text}`),
  onCancel: () => input.blur(),
});
bind("u", "Unknown", () => toast("<b>One image</b> is unknown", { undo: () => done.push("undo") }));
bind("z", "Undo", () => undoLatest());
bind("/", "Another class", () => typeahead.open());
bind("Space", "Accept the first", () => done.push("accept"));
bind("p", "Post", () => postJson("/refused", { a: 1 }).catch((error) => toastError(error)));
Object.assign(window, { grid: gridOf(document.getElementById("images")), done });
document.body.dataset.probe = "ready";
"""


def _answer(route: Route) -> None:
    path = urlsplit(route.request.url).path
    policy = {"Content-Security-Policy": CONTENT_POLICY}
    if path.startswith("/static/"):
        route.fulfill(path=ROOT / path[1:], headers=policy)
    elif path == "/probe.js":
        route.fulfill(body=PROBE, content_type="text/javascript")
    elif path == "/refused":
        token = route.request.headers.get("x-csrf-token")
        message = f"The label of image 7 changed meanwhile ({token})."
        route.fulfill(status=409, json={"error": {"code": "conflict", "message": message}})
    elif path == "/":
        context = {"user": None, "project": None, "role": None, "active": "", "csrf_token": "token"}
        route.fulfill(body=_environment().from_string(PAGE).render(context), content_type="text/html", headers=policy)
    else:
        route.fulfill(status=404)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1024, "height": 768}, color_scheme="light")
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    opened.route("**/*", _answer)
    opened.goto(ADDRESS + "/")
    expect(opened.locator("body[data-probe]")).to_be_attached()
    yield opened
    context.close()
    assert faults == []


def chosen(page: Page) -> list[str]:
    ids: list[str] = page.evaluate("window.grid.selected")
    return ids


def done(page: Page) -> list[str]:
    acts: list[str] = page.evaluate("window.done")
    return acts


def test_cells_are_chosen_by_press_range_and_toggle(page: Page) -> None:
    cells = page.locator(".cell")
    cells.nth(1).click()
    cells.nth(4).click(modifiers=["Shift"])
    assert chosen(page) == ["2", "3", "4", "5"]
    cells.nth(2).click(modifiers=["Control"])
    assert chosen(page) == ["2", "4", "5"]
    cells.nth(9).click()
    assert chosen(page) == ["10"]


def test_cells_are_chosen_by_keyboard_alone(page: Page) -> None:
    page.locator(".cell").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    assert chosen(page) == ["2", "3"]
    page.keyboard.press("Control+a")
    assert len(chosen(page)) == 30
    page.keyboard.press("Escape")
    assert chosen(page) == []
    assert done(page) == []


def test_the_focus_stays_in_the_grid_when_its_cell_goes(page: Page) -> None:
    page.locator(".cell").nth(2).click()
    page.evaluate("window.grid.remove(['3', '4'])")
    assert page.evaluate("document.activeElement.dataset.id") == "5"
    assert page.locator('.cell[tabindex="0"]').count() == 1


def test_a_message_shows_text_and_its_act_is_undone_by_key(page: Page) -> None:
    page.keyboard.press("u")
    assert page.locator(".toast-text").inner_text() == "<b>One image</b> is unknown"
    page.keyboard.press("z")
    assert done(page) == ["undo"]
    assert page.locator(".toast").count() == 0


def test_the_class_field_owns_every_key_until_enter(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("u z 1")
    page.keyboard.press("Escape")
    assert page.locator(".toast").count() == 0
    page.keyboard.press("/")
    page.keyboard.type("class 149")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert done(page) == ["pick Class 1490"]


def test_a_class_is_found_without_its_accents_and_a_new_one_is_proposed(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("creme")
    page.keyboard.press("Enter")
    page.locator("#class").fill("Durian")
    page.keyboard.press("Enter")
    assert done(page) == ["pick Class 700", "propose Durian"]


def test_space_accepts_even_from_a_suggestion_that_has_the_focus(page: Page) -> None:
    page.locator(".suggestion").focus()
    page.keyboard.press("Space")
    assert done(page) == ["accept"]


def test_a_refusal_is_shown_in_the_servers_words_and_the_token_was_sent(page: Page) -> None:
    page.keyboard.press("p")
    page.locator(".toast-error").wait_for()
    assert page.locator(".toast-text").inner_text() == "The label of image 7 changed meanwhile (token)."


def test_the_keys_are_listed_and_single_keys_can_be_switched_off(page: Page) -> None:
    page.keyboard.press("?")
    assert "Another class" in page.locator("dialog").inner_text()
    page.get_by_label("Single keys act").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    assert page.locator(".toast").count() == 0


def test_the_chosen_theme_is_remembered(page: Page) -> None:
    toggle = page.locator("[data-theme-toggle]")
    toggle.click()
    toggle.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 23, 23)"
