"""An engineer promotes and rolls back, and mends a wrong label from the comparison, in a real Chromium."""

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

from app.core.database import read
from app.library.models import Image
from app.projects.models import Project
from tests.promotion.conftest import Bench
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
    """A tab in which an engineer is signed in."""
    session = sign_in_as("engineer").cookies[SESSION_COOKIE]
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


def is_accessible(page: Page) -> bool:
    violations = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []
    return True


def promote(page: Page, base: str, number: int) -> None:
    page.goto(f"{base}/models/{number}")
    assert is_accessible(page)
    page.get_by_role("link", name=f"Promote v{number} to production").click()
    expect(page.get_by_role("heading", name="The gate:")).to_be_visible()
    assert is_accessible(page)
    page.get_by_label("Why this version?").fill("Better on pears")
    page.get_by_role("button", name=f"Promote v{number} to production").click()
    expect(page.get_by_text(f"Version {number} is in production.")).to_be_visible()


def test_an_engineer_promotes_two_versions_and_rolls_back(page: Page, project: Project, bench: Bench):
    bench.evaluate(bench.first, 20)
    bench.evaluate(bench.second, 4)
    base = f"/projects/{project.slug}"
    promote(page, base, 1)
    promote(page, base, 2)
    assert is_accessible(page)
    page.get_by_text("Roll back to v1", exact=True).first.click()
    page.get_by_label("Why roll back?").fill("Complaints from the field")
    page.get_by_role("button", name="Roll back to v1").click()
    expect(page.get_by_text("Version 1 is back in production.")).to_be_visible()
    expect(page.locator("tbody > tr").first).to_contain_text("Complaints from the field")
    page.goto(f"{base}/models")
    expect(page.locator("tr.row-current")).to_contain_text("Version 1")
    assert is_accessible(page)


def test_from_the_comparison_to_a_mended_label(page: Page, project: Project, bench: Bench):
    bench.evaluate(bench.first, 20)
    bench.evaluate(bench.second, 4)
    page.goto(f"/projects/{project.slug}/models/2/compare?with=1")
    assert is_accessible(page)
    page.get_by_role("link", name="4 still wrong on Field").click()
    cells = page.locator("#judged .cell")
    expect(cells).to_have_count(4)
    assert is_accessible(page)
    expect(page.locator(".selection-count")).to_have_text("None chosen")
    cells.first.click()
    page.keyboard.press("u")
    expect(page.locator("#judged .cell[data-state=gone]")).to_have_count(1)
    expect(page.locator("body[data-pending='0']")).to_be_visible()
    with read() as session:
        image = session.get_one(Image, int(cells.first.get_attribute("data-id") or 0))
    assert image.state == "unknown"


def test_the_matrix_is_accessible_and_opens_its_cells(page: Page, project: Project, bench: Bench):
    bench.evaluate(bench.first, 20)
    page.goto(f"/projects/{project.slug}/models/1/confusion?subset={bench.subset}")
    assert is_accessible(page)
    page.locator(".heat a", has_text="20").click()
    expect(page.get_by_text("20 images", exact=True)).to_be_visible()
    expect(page.locator("#judged .cell")).to_have_count(20)
