"""Grading by keys alone in a real Chromium: a verdict, the true class by its name, and the last one taken back."""

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

from app.core.database import read, write
from app.projects.models import Project
from app.serving.models import Grade, Transaction
from tests.factories.predictions import photo_images
from tests.factories.serving import eventually, in_production, make_transaction
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
    """A tab in which a reviewer is signed in."""
    session = sign_in_as("reviewer").cookies[SESSION_COOKIE]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        context = browser.new_context(base_url=address, reduced_motion="reduce")
        context.add_cookies([{"name": SESSION_COOKIE, "value": session, "url": address}])
        opened = context.new_page()
        faults: list[str] = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        yield opened
        browser.close()
    assert faults == []


def verdicts() -> list[str]:
    with read() as session:
        return list(session.scalars(select(Grade.verdict).order_by(Grade.id)))


def test_answers_are_graded_by_keys_and_the_figures_follow(page: Page, project: Project):
    serving = in_production(project.id)
    image_ids = photo_images(project.id, 9)
    with write() as session:
        for image_id in image_ids:
            make_transaction(session, project.id, serving, image_id=image_id)
    page.goto(f"/projects/{project.slug}/grade")
    expect(page.locator("#answer")).to_contain_text("Apple")
    expect(page.locator("#waiting")).to_have_text("9")
    assert Axe().run(page).response["violations"] == []

    shown = [str(page.locator("#picture").get_attribute("src"))]
    for key in ("1", "3", "4"):
        page.keyboard.press(key)
        expect(page.locator("#picture")).not_to_have_attribute("src", shown[-1])
        shown.append(str(page.locator("#picture").get_attribute("src")))
    expect(page.locator("#done")).to_have_text("3 graded now")
    eventually(lambda _: sorted(verdicts()) == ["class_not_in_model", "correct", "not_usable"])

    page.keyboard.press("2")
    expect(page.locator("#true-class")).to_be_focused()
    page.keyboard.type("plu")
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_have_text("4 graded now")
    eventually(lambda _: verdicts().count("wrong") == 1)
    expect(page.locator("#waiting")).to_have_text("5")

    page.keyboard.press("z")
    expect(page.locator("#waiting")).to_have_text("6")
    expect(page.locator("#picture")).to_have_attribute("src", shown[-1])
    assert "wrong" not in verdicts()

    for _ in range(6):
        page.keyboard.press("1")
    expect(page.locator("#finished")).to_be_visible()
    eventually(lambda _: verdicts().count("correct") == 7)
    with read() as session:
        assert session.scalars(select(Transaction.id).where(Transaction.graded_at.is_(None))).all() == []

    for path in ("/reports", "/transactions", ""):
        page.goto(f"/projects/{project.slug}{path}")
        expect(page.locator("h1")).to_be_visible()
        assert Axe().run(page).response["violations"] == []
