"""Pages full of hostile names in a real Chromium: no dialog, no breach of the content policy, nothing out of place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page, expect

from app.accounts.roles import ROLES
from tests.browser.tabs import TELL_BREACHES, chromium_running
from tests.security.rules import DECLARED
from tests.security.test_hostile_names import hostile
from tests.security.world import World, build
from tests.web_client import SESSION_COOKIE, SignInAs

pytestmark = pytest.mark.browser

NO_PAGES = (
    ".json",
    ".csv",
    "/points",
    "/confidences",
    "/events",
    "/thumbnail",
    "/rendition",
    "/large",
    "/pictures/{image_id}",
    "/original",
    "/more",
    "/file",
    "/openapi.json",
    "/picture",
    "/tensorboard",  # leads to a page of its own making, under a policy of its own
    "/tensorboard/{path:path}",
)
IN_PLACE = """() => [
  ...document.querySelectorAll('img[src="x"], script:not([src]), [onerror], [onload], [onclick], iframe, object'),
].map((found) => found.outerHTML.slice(0, 80))"""
TYPED = f"{hostile('class2')}"


@pytest.fixture
def world(application: FastAPI) -> World:  # noqa: ARG001 - its installation must exist first
    """A project in which everything has a hostile name."""
    return build(hostile("project"), named=hostile)


@pytest.fixture
def address(application: FastAPI) -> Iterator[str]:
    """The application behind a real server on a free port."""
    config = uvicorn.Config(application, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive(), "the server holds on to the database of a test that has ended"


@pytest.fixture
def faults() -> list[str]:
    """What went wrong in the browser."""
    return []


@pytest.fixture
def page(address: str, sign_in_as: SignInAs, faults: list[str]) -> Iterator[Page]:
    """A tab of the installation's administrator that notes dialogs, breaches and script errors."""
    session = sign_in_as("root").cookies[SESSION_COOKIE]
    with chromium_running() as browser:
        context = browser.new_context(base_url=address)
        context.add_init_script(TELL_BREACHES)
        context.add_cookies([{"name": SESSION_COOKIE, "value": session, "url": address}])
        tab = context.new_page()

        def note(kind: str, words: str) -> None:
            faults.append(f"{tab.url}: {kind}: {words}")

        def on_dialog(dialog: object) -> None:
            note("dialog", dialog.message)  # type: ignore[attr-defined]  # Playwright's Dialog
            dialog.dismiss()  # type: ignore[attr-defined]  # as above

        tab.on("dialog", on_dialog)
        tab.on("pageerror", lambda error: note("script", str(error)))
        tab.on("console", lambda said: note("policy", said.text) if "content policy" in said.text else None)
        yield tab
        browser.close()


def test_every_page_stays_itself(page: Page, world: World, faults: list[str]):
    names = [name for name, role in DECLARED.items() if name.startswith("GET ") and role in (*ROLES, "root")]
    visited = 0
    for name in names:
        if name.endswith(NO_PAGES) or "/api/" in name:
            continue
        page.goto(world.address(name.removeprefix("GET ")), wait_until="load")
        faults += [f"{page.url}: markup: {found}" for found in page.evaluate(IN_PLACE)]
        visited += 1
    assert faults == []
    assert visited > 40


def test_lists_and_messages_made_by_scripts_show_names_as_text(page: Page, world: World, faults: list[str]):
    page.goto(f"/projects/{world.slug}/label")
    expect(page.locator("body[data-ready=label]")).to_be_attached()
    page.keyboard.press("/")
    page.keyboard.type("Zclass2z\"'><img")
    option = page.get_by_role("listbox").get_by_role("option").first
    expect(option).to_contain_text(TYPED)
    page.keyboard.press("Enter")
    expect(page.locator("body[data-saved='1'][data-pending='0']")).to_be_attached()
    page.keyboard.press("z")
    expect(page.locator("body[data-saved='2'][data-pending='0']")).to_be_attached()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    faults += [f"label: {found}" for found in page.evaluate(IN_PLACE)]
    page.goto(f"/projects/{world.slug}/library")
    page.locator(".cell").first.click()
    page.keyboard.press("u")
    expect(page.locator(".toast").first).to_be_visible()
    faults += [f"library: {found}" for found in page.evaluate(IN_PLACE)]
    assert faults == []


def test_what_would_run_is_stopped_and_noted(page: Page, world: World, faults: list[str]):
    """The trap itself: were a name taken for markup somewhere, the policy would stop it and these tests would fail."""
    page.goto(f"/projects/{world.slug}/library")
    page.evaluate("(name) => { document.querySelector('main').innerHTML = name; }", hostile("planted"))
    expect(page.locator("img[src=x]")).to_be_attached()
    page.wait_for_timeout(300)
    assert page.evaluate(IN_PLACE) != []
    assert any("policy" in fault for fault in faults)
    assert not any("dialog" in fault for fault in faults)
