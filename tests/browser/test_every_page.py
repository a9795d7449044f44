"""Every page, wide and narrow, light and dark: WCAG 2.2 AA by axe, nothing to scroll sideways, no error, no breach.

WINNOW_SHOTS names a folder for pictures of what was looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.library import Fruit, ended
from tests.browser.stocked import PAGES, administrators_session, stock
from tests.browser.tabs import NARROW, WIDE, Tabs
from tests.journeys.installation import Installation

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
EVERYTHING = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
TRANSITIONS_ENDED = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  await Promise.allSettled(document.getAnimations().map((each) => each.finished));
}"""
SHOTS = os.environ.get("WINNOW_SHOTS", "")
SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Walk:
    """A tab that goes from page to page."""

    tabs: Tabs
    page: Page
    known: dict[str, object]
    width: int

    def visit(self, name: str) -> None:
        """Open a page and wait for the parts that it fetches itself."""
        self.tabs.faults.clear()
        self.page.goto(PAGES[name].format_map(self.known))
        expect(self.page.locator("main[aria-busy], [data-fragment]:empty")).to_have_count(0)
        if name == "label":
            expect(self.page.locator("body[data-ready]")).to_be_attached()

    def shoot(self, name: str) -> None:
        """Keep pictures in both themes where a folder for them is named."""
        for scheme in SCHEMES if SHOTS else ():
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(TRANSITIONS_ENDED)
            self.page.screenshot(path=Path(SHOTS) / f"{name}-{self.width}-{scheme}.png", full_page=True)


@pytest.fixture(scope="module")
def known(fruit: Fruit) -> dict[str, object]:
    """Ids in addresses, once there is something on every page."""
    user_id, session = administrators_session(fruit.id)
    return {"session": session, **stock(fruit, user_id)}


@pytest.fixture(scope="module", params=[WIDE, NARROW])
def walk(
    request: pytest.FixtureRequest, chromium: Browser, family: Installation, known: dict[str, object]
) -> Iterator[Walk]:
    """Wide, then narrow."""
    tabs = Tabs(chromium, family.url)
    yield Walk(tabs, tabs.open(str(known["session"]), width=request.param), known, request.param)
    tabs.close()


def violations(page: Page, options: Mapping[str, object]) -> list[str]:
    """What axe finds against, in a line for each element."""
    found = Axe().run(page, options=options).response["violations"]
    return [f"{each['id']}: {node['html'][:200]} {node['failureSummary']}" for each in found for node in each["nodes"]]


def assert_accessible(page: Page) -> None:
    """Nothing against the page as it stands, in either theme, nor to scroll sideways."""
    assert page.evaluate(SIDEWAYS) <= 0
    assert violations(page, EVERYTHING) == []
    page.emulate_media(color_scheme="dark")
    page.evaluate(TRANSITIONS_ENDED)
    assert violations(page, COLOURS) == []
    page.emulate_media(color_scheme="light")
    page.evaluate(TRANSITIONS_ENDED)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_fits_and_breaks_no_rule(walk: Walk, name: str):
    if name == "run":
        ended(int(str(walk.known["run"])))
    walk.visit(name)
    assert_accessible(walk.page)
    walk.shoot(name)
    assert walk.tabs.faults == []


def test_what_keys_open_is_accessible(walk: Walk):
    page = walk.page
    walk.visit("library")
    page.locator("#images .cell").first.focus()
    page.keyboard.press("Space")
    expect(page.locator(".selection-count")).to_have_text("1 chosen")
    page.keyboard.press("/")
    expect(page.locator(".typeahead-list")).to_be_visible()
    assert_accessible(page)
    walk.visit("label")
    page.keyboard.press("x")
    expect(page.locator("#reasons")).to_be_visible()
    assert_accessible(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_accessible(page)
    assert walk.tabs.faults == []


def test_what_is_shown_to_strangers_is_accessible(chromium: Browser, family: Installation):
    tabs = Tabs(chromium, family.url)
    page = tabs.open(width=NARROW)
    page.goto("/sign-in")
    assert_accessible(page)
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert_accessible(page)
    page.goto("/no-such-page")
    assert_accessible(page)
    assert all("Failed to load resource" in fault for fault in tabs.faults), tabs.faults
    tabs.faults.clear()
    tabs.close()
