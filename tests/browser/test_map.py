"""The map in a browser: what a line is drawn round is chosen and opens in the library; colours; phone width."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from app.core.database import write
from app.labelling.service import apply_one_label_to
from app.projects.models import Project
from tests.browser.library import done_by_worker
from tests.browser.tabs import NARROW, OpenTab
from tests.factories.predictions import photo_images
from tests.factories.registry import tiny_version

PHOTOS = 12


@pytest.fixture
def mapped(project: Project) -> Project:
    """A project whose twelve photos, five of them apples, lie on a map."""
    ids = photo_images(project.id, PHOTOS)
    version = tiny_version(project.id, ["Apple", "Pear"])
    done_by_worker(project.id, "embeddings.embed", {})
    with write() as session:
        apply_one_label_to(
            session, project_id=project.id, user_id=None, image_ids=ids[:5], class_id=version.class_ids[0]
        )
    done_by_worker(project.id, "embeddings.map", {})
    return project


def opened(page: Page, project: Project) -> Page:
    page.goto(f"/projects/{project.slug}/map")
    expect(page.locator("#map[data-ready]")).to_be_attached()
    expect(page.locator("#map-words")).to_have_text(f"{PHOTOS} images shown")
    return page


def draw_round_everything(page: Page) -> None:
    box = page.locator("#map").bounding_box()
    assert box is not None
    left, top, right, low = box["x"] + 4, box["y"] + 4, box["x"] + box["width"] - 4, box["y"] + box["height"] - 4
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, low), (left, low), (left, top + 8)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


def test_what_a_line_is_drawn_round_opens_in_the_library(open_tab: OpenTab, mapped: Project):
    page = opened(open_tab(mapped.id, "viewer"), mapped)
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Lasso")).to_have_attribute("aria-pressed", "true")
    draw_round_everything(page)
    expect(page.locator("#map-chosen [role=status]")).to_have_text(f"{PHOTOS} images chosen")
    page.keyboard.press("Escape")
    expect(page.locator("#map-chosen")).to_be_hidden()
    draw_round_everything(page)
    page.get_by_role("link", name="Open them in the library").click()
    expect(page.locator("#images .cell")).to_have_count(PHOTOS)
    expect(page.get_by_text("drawn on the map")).to_be_visible()


def test_the_legend_counts_what_is_shown_on_a_phone_too(open_tab: OpenTab, mapped: Project):
    page = opened(open_tab(mapped.id, "viewer", width=NARROW), mapped)
    entries = page.locator(".map-entry")
    expect(entries).to_have_text(["No class7", "Apple5"])
    page.get_by_label("Colour by").select_option("state")
    expect(entries).to_have_text(["Pool7", "Labelled5"])
    page.get_by_label("Colour by").select_option("confidence")
    expect(entries.last).to_have_text(f"Not predicted{PHOTOS}")
    entries.last.click()
    expect(entries.last).to_have_attribute("aria-pressed", "true")
