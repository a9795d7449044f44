"""The first quarter of an hour: from the one-time link to a library of dropped photos, in the browser alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import func, select

from app.accounts.models import User
from app.core.database import read
from app.labelling.models import LabelClass
from app.library.models import Image
from app.projects.models import Project
from tests.browser.tabs import Tabs
from tests.factories.library import write_files
from tests.journeys.installation import running, wait_until
from tests.photos import photos, truncated


@pytest.fixture
def untouched(installation: Path, chromium: Browser) -> Iterator[tuple[Page, str]]:
    """A tab on an installation that nobody has an account in, and the link that `winnow up` printed."""
    with running(installation) as family:
        log = installation / "up.log"
        link = wait_until(lambda: re.search(r"http\S+/setup/\S+", log.read_text()))
        assert link is not None
        tabs = Tabs(chromium, family.url)
        yield tabs.open(), link.group()
        tabs.close()


def drop(page: Page, selector: str, *paths: Path) -> None:
    """Let files and folders go over an element, as a file manager does."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    debugger = page.context.new_cdp_session(page)
    dragged = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for step in ("dragEnter", "dragOver", "drop"):
        place = {"type": step, "x": box["x"] + box["width"] / 2, "y": box["y"] + 8}
        debugger.send("Input.dispatchDragEvent", {**place, "data": dragged})


def make_administrator(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("Your name").fill("ada")
    page.get_by_label("Password", exact=True).fill("heron in the evening mist")
    page.get_by_role("button", name="Make the administrator and sign in").click()
    page.wait_for_url("**/projects")
    with read() as session:
        assert session.execute(select(User.name, User.is_administrator)).all() == [("ada", True)]


def make_project(page: Page) -> None:
    page.get_by_role("link", name="Make the first project").click()
    page.get_by_label("Name").fill("Fruit counter")
    page.get_by_label("Classes").fill("Apple\nMelon, Orange")
    expect(page.locator("[data-class-count]")).to_have_text("3 classes")
    page.get_by_label("What hardware will answer?").fill("A tablet at the till")
    page.get_by_role("button", name="Make the project").click()
    page.wait_for_url("**/projects/fruit-counter")
    with read() as session:
        project = session.scalars(select(Project)).one()
        classes = set(session.scalars(select(LabelClass.name)))
    assert (project.name, project.charter_hardware) == ("Fruit counter", "A tablet at the till")
    assert classes == {"Apple", "Melon", "Orange"}


def test_from_the_one_time_link_to_a_library_of_dropped_photos(untouched: tuple[Page, str], tmp_path: Path):
    page, link = untouched
    make_administrator(page, link)
    make_project(page)

    files = {f"{label}/{number}.jpg": each for label in ("Apple", "Melon") for number, each in numbered(label)}
    write_files(tmp_path / "dropped", {**files, "Melon/broken.jpg": truncated()})
    page.get_by_role("link", name="Import images").first.click()
    page.wait_for_url("**/imports/new")
    drop(page, "[data-dropzone]", tmp_path / "dropped" / "Apple", tmp_path / "dropped" / "Melon")
    expect(page.locator("[data-chosen]")).to_contain_text("17 files")
    page.get_by_role("button", name="Send and look").click()
    page.get_by_role("button", name="Import 17 files").click()
    page.wait_for_url(re.compile(r"/imports/\d+$"))
    expect(page.locator("[data-run-state=succeeded]")).to_be_visible()
    expect(page.locator(".stat").filter(has_text="Added")).to_contain_text("16")
    expect(page.locator(".stat").filter(has_text="Quarantined")).to_contain_text("1")

    page.get_by_role("link", name="See its images").click()
    expect(page.locator(".cell")).to_have_count(16)
    expect(page.locator(".cell-image").first).to_have_js_property("complete", value=True)
    with read() as session:
        counted = select(LabelClass.name, func.count()).join(Image, Image.class_id == LabelClass.id)
        by_class = dict(session.execute(counted.group_by(LabelClass.name)).all())
        quarantined = session.scalars(select(Image.file_name).where(Image.state == "quarantined")).all()
    assert by_class == {"Apple": 8, "Melon": 8}
    assert [Path(name).name for name in quarantined] == ["broken.jpg"]

    assert page.context.request.get(link).status == 404
    with read() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 1


def numbered(label: str) -> Iterator[tuple[int, bytes]]:
    return enumerate(each.image_bytes for each in photos(8, label=label))
