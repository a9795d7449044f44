"""A folder is chosen in a real Chromium, sent, looked at, its classes mapped, and imported."""

import os
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page, Route, sync_playwright
from sqlalchemy import select

from app.core.database import read
from app.exchange.previews import look
from app.library.uploads import CHUNK_BYTES
from app.projects.models import Project
from app.runs.models import Run
from tests.factories.library import write_files
from tests.photos import photos, truncated
from tests.web_client import SESSION_COOKIE, SignInAs
from worker.execution import RunContext, execute_run
from worker.tasks.library import run_import

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
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
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
        yield context.new_page()
        browser.close()


def work(kind: str, doing: Callable[[RunContext], None]) -> None:
    """Do the run of this kind that waits."""
    with read() as session:
        run_id = session.scalars(select(Run.id).where(Run.kind == kind)).one()
    execute_run(run_id, doing)


def test_a_chosen_folder_is_sent_mapped_and_imported(page: Page, project: Project, tmp_path: Path):
    first, second, third = (photo.image_bytes for photo in photos(3))
    files = {"Lion/cub/1.jpg": first, "Lion/2.jpg": second, "Tiger/3.jpg": third, "Tiger/broken.jpg": truncated()}
    page.goto(f"/projects/{project.slug}/imports/new")
    page.set_input_files("input[webkitdirectory]", write_files(tmp_path / "zoo", files))
    page.get_by_text("4 files").wait_for()
    page.get_by_role("button", name="Send and look").click()
    page.get_by_text("Waiting for a worker").wait_for()
    work("exchange.preview", look)
    tiger = page.get_by_label("Tiger")
    tiger.fill("Big cat")
    page.locator("tr", has=tiger).get_by_text("a new class").wait_for()
    page.locator("form[data-saved]").wait_for()
    page.reload()
    assert tiger.input_value() == "Big cat"
    page.get_by_role("button", name="Import 4 files").click()
    page.get_by_text("Waiting for a worker").wait_for()
    work("library.import", run_import)
    page.locator("[data-run-state=succeeded]").wait_for()
    page.get_by_role("link", name="See its images").click()
    page.locator(".cell").nth(2).wait_for()
    assert sorted(page.locator(".cell-name").all_inner_texts()) == ["Big cat", "Lion", "Lion · cub"]


def test_a_large_archive_goes_on_after_a_lost_connection_and_after_a_reload(
    page: Page, project: Project, tmp_path: Path
):
    with zipfile.ZipFile(tmp_path / "birds.zip", "w") as archive:
        for number, photo in enumerate(photos(2)):
            archive.writestr(f"Lion/{number}.jpg", photo.image_bytes)
        archive.writestr("Lion/large.jpg", os.urandom(2 * CHUNK_BYTES))
    offsets: list[str] = []
    lost: set[int] = {1, *range(3, 99)}

    def drop(route: Route) -> None:
        offsets.append(parse_qs(urlsplit(route.request.url).query)["offset"][0])
        if len(offsets) - 1 in lost:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(re.compile(r"/large/[0-9a-f]+"), drop)
    page.goto(f"/projects/{project.slug}/imports/new")
    page.set_input_files("input[data-files]:not([webkitdirectory])", tmp_path / "birds.zip")
    page.get_by_role("button", name="Send and look").click()
    page.locator("[data-progress-words]", has_text="16.0 MiB of").wait_for()
    page.reload()
    page.get_by_text("An upload was interrupted").wait_for()
    before = len(offsets)
    lost.clear()
    page.set_input_files("input[data-files]:not([webkitdirectory])", tmp_path / "birds.zip")
    page.get_by_role("button", name="Send and look").click()
    page.get_by_text("Waiting for a worker").wait_for()
    chunk = str(CHUNK_BYTES)
    assert offsets[:3] == ["0", chunk, chunk], "the second chunk is lost once and sent again"
    assert offsets[before:] == [str(2 * CHUNK_BYTES)], "after the reload only what was missing is sent"
    work("exchange.preview", look)
    page.get_by_role("button", name="Import 3 files").wait_for()
