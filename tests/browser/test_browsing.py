"""A long library: scrolled without end and come back to, chosen from at once, looked at image by image."""

from __future__ import annotations

import hashlib

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import func, select

from app.core.database import read, write
from app.library.models import Image
from app.library.service import insert_images
from app.projects.models import Project
from tests.browser.library import images
from tests.browser.tabs import NARROW, OpenTab
from tests.factories.predictions import photo_images
from tests.factories.registry import make_classes

PHOTOS = 10
COPIES = 600


@pytest.fixture
def long(project: Project) -> str:
    """The address of a project whose pool holds PHOTOS photos, and COPIES times one of their pictures."""
    photo_images(project.id, PHOTOS)
    columns = [column.key for column in Image.__table__.columns if column.key not in ("id", "project_id", "sha256")]
    with read() as session:
        found = session.scalars(select(Image).where(Image.project_id == project.id))
        rows = [{name: getattr(image, name) for name in columns} for image in found]
    copies = [
        {**rows[n % PHOTOS], "sha256": hashlib.sha256(str(n).encode()).hexdigest(), "file_name": f"copy-{n:03}.jpg"}
        for n in range(COPIES)
    ]
    with write() as session:
        insert_images(session, project.id, copies)
        make_classes(session, project.id, ["Apple", "Pear"])
    return f"/projects/{project.slug}"


def cell(page: Page, place: int) -> Locator:
    """The cell at a place of the list, from 1, if it is in the page now."""
    return page.locator(f"#images .cell[aria-posinset='{place}']")


def labelled(project_id: int) -> int:
    with read() as session:
        query = select(func.count()).where(Image.project_id == project_id, Image.state == "labelled")
        return session.scalar(query) or 0


def test_image_500_is_reached_with_few_cells_and_come_back_to(open_tab: OpenTab, project: Project, long: str):
    page = open_tab(project.id, "labeller")
    page.goto(f"{long}/library?state=pool")
    page.locator("#images .cell").first.focus()
    while not cell(page, 500).count():
        page.keyboard.press("PageDown")
        assert page.locator("#images .cell").count() < 300
    cell(page, 500).focus()
    top = page.evaluate("document.activeElement.getBoundingClientRect().top")
    image_id = cell(page, 500).get_attribute("data-id")
    page.keyboard.press("Enter")
    expect(page.locator("#light-place")).to_have_text("500 of 610")
    page.go_back()
    expect(page.locator("#images[data-restored]")).to_be_attached()
    expect(page.locator(f".cell[data-id='{image_id}']")).to_be_focused()
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") == pytest.approx(top, abs=2)
    expect(cell(page, 500)).to_have_attribute("data-id", str(image_id))


def test_a_rubber_band_then_all_that_match_are_labelled_and_taken_back(open_tab: OpenTab, project: Project, long: str):
    page = open_tab(project.id, "labeller")
    page.goto(f"{long}/library?text=copy")
    chosen = page.locator(".selection-count")
    expect(chosen).to_have_text("None chosen")
    start, end = cell(page, 2).bounding_box(), cell(page, 4).bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 20, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(end["x"] + 20, end["y"] + 40, steps=4)
    page.mouse.up()
    expect(chosen).to_have_text("3 chosen")
    page.get_by_role("button", name="Choose all 600 that match").click()
    cell(page, 1).click(modifiers=["Control"])
    expect(chosen).to_have_text("599 chosen")
    page.get_by_role("combobox", name="Class for the chosen images").click()
    page.keyboard.type("pear")
    page.locator(".typeahead-option", has_text="Pear").click()
    expect(page.get_by_text("599 images labelled Pear.")).to_be_visible()
    assert labelled(project.id) == COPIES - 1
    page.keyboard.press("z")
    expect(page.locator("body[data-saved='2'][data-pending='0']")).to_be_attached()
    assert labelled(project.id) == 0
    expect(page.locator("#images .cell[data-state]")).to_have_count(0)


def test_the_light_table_steps_zooms_and_labels_in_a_filter(open_tab: OpenTab, project: Project, long: str):
    page = open_tab(project.id, "labeller")
    page.goto(f"{long}/library?text=copy")
    cell(page, 3).dblclick()
    place, picture = page.locator("#light-place"), page.locator("#light-picture")
    expect(place).to_have_text("3 of 600")
    expect(page.locator("body[data-ready=light]")).to_be_attached()
    for key in ("j", "ArrowRight", "k"):
        page.keyboard.press(key)
    expect(place).to_have_text("4 of 600")
    page.keyboard.press("+")
    expect(page.locator("#light-stage[data-zoomed]")).to_be_attached()
    page.keyboard.press("0")
    expect(page.locator("#light-stage[data-zoomed]")).to_have_count(0)
    shown = int(page.evaluate("document.body.dataset.image"))
    page.keyboard.press("/")
    page.keyboard.type("apple")
    expect(page.locator(".typeahead-option", has_text="Apple")).to_be_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("l")
    page.keyboard.press("r")
    expect(page.locator("body[data-saved='3'][data-pending='0']")).to_be_attached()
    expect(picture).to_have_attribute("src", f"{long}/images/{shown}/rendition?r=90")
    (image,) = images([shown])
    assert (image.state, image.is_small_subject, image.rotation) == ("labelled", True, 90)
    page.keyboard.press("z")
    expect(page.locator("body[data-saved='4'][data-pending='0']")).to_be_attached()
    assert images([shown])[0].rotation == 0
    assert f"/images/{shown}?text=copy" in page.url


def test_on_a_phone_a_long_press_begins_to_choose_and_taps_go_on(open_tab: OpenTab, project: Project, long: str):
    page = open_tab(project.id, "labeller", width=NARROW)
    page.goto(f"{long}/library?state=pool")
    box = cell(page, 1).bounding_box()
    assert box
    touch = page.context.new_cdp_session(page)
    point = {"x": box["x"] + 60, "y": box["y"] + 60}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    expect(page.locator(".selection-count")).to_have_text("1 chosen")
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    cell(page, 2).tap()
    cell(page, 3).tap()
    expect(page.locator(".selection-count")).to_have_text("3 chosen")
    page.get_by_role("button", name="Unknown").tap()
    expect(page.get_by_text("3 images set aside as unknown.")).to_be_visible()
    cell(page, 4).tap()
    expect(page.locator("#light-place")).to_have_text("1 of 607")
