"""Predictions are accepted from the grid by keys alone, and taken back, in a real Chromium."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Page, expect, sync_playwright
from sqlalchemy import select

from app.core.database import read
from app.identification.work import identify
from app.library.models import Image
from app.projects.models import Project
from tests.factories.predictions import photo_images, run_now
from tests.factories.registry import tiny_version
from tests.web_client import SESSION_COOKIE, SignInAs

pytestmark = pytest.mark.browser

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")


@pytest.fixture
def address(application: FastAPI) -> Iterator[str]:
    """The application behind a real server on a free port."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def page(address: str, sign_in_as: SignInAs) -> Iterator[Page]:
    """A tab in which a labeller is signed in."""
    session = sign_in_as("labeller").cookies[SESSION_COOKIE]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        context = browser.new_context(base_url=address)
        context.add_cookies([{"name": SESSION_COOKIE, "value": session, "url": address}])
        opened = context.new_page()
        faults: list[str] = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        yield opened
        browser.close()
    assert faults == []


def labelled() -> list[int]:
    with read() as session:
        return list(session.scalars(select(Image.id).where(Image.state == "labelled").order_by(Image.id)))


def test_predictions_are_accepted_and_taken_back_by_keys(page: Page, project: Project):
    photo_images(project.id, 8)
    version = tiny_version(project.id, ["Apple", "Pear", "Plum"])
    run = run_now(project.id, "identification.identify", {"version_id": version.id}, identify)
    page.goto(f"/projects/{project.slug}/identify/{run.result['job_id']}")
    cells = page.locator("#results .cell")
    expect(cells).to_have_count(8)
    expect(page.locator(".results-classes li").first).to_be_visible()
    expect(page.locator("#accept")).to_be_disabled()
    assert Axe().run(page).response["violations"] == []

    page.locator("#results .cell[tabindex='0']").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.locator("#accept")).to_be_enabled()
    page.keyboard.press("a")
    expect(page.get_by_text("2 images labelled as predicted.")).to_be_visible()
    expect(page.locator("#results .cell[data-state=gone]")).to_have_count(2)
    assert len(labelled()) == 2

    page.keyboard.press("z")
    expect(page.locator("#results .cell[data-state=gone]")).to_have_count(0)
    assert labelled() == []

    page.keyboard.press("Control+a")
    page.keyboard.press("Enter")
    expect(page.get_by_text("8 images labelled as predicted.")).to_be_visible()
    expect(page.locator(".results-side")).to_contain_text("None.")
    assert len(labelled()) == 8
    page.reload()
    expect(page.get_by_text("Nothing is left to settle here")).to_be_visible()
