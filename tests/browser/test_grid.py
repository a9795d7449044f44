"""Images chosen in the library's grid by mouse and by keys, labelled through the type-ahead, taken back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from app.core.database import write
from app.projects.models import Project
from tests.browser.library import images, label_events
from tests.browser.tabs import OpenTab
from tests.factories.predictions import photo_images
from tests.factories.registry import make_classes


@pytest.fixture
def grid(open_tab: OpenTab, project: Project) -> Page:
    """A labeller's tab on twelve photos of the pool."""
    photo_images(project.id, 12)
    with write() as session:
        make_classes(session, project.id, ["Apple", "Pear", "Plum"])
    page = open_tab(project.id, "labeller")
    page.goto(f"/projects/{project.slug}/library?state=pool")
    expect(page.locator("#images .cell")).to_have_count(12)
    expect(page.locator(".selection-count")).to_have_text("None chosen")
    return page


def ids(page: Page, *places: int) -> list[int]:
    cells = page.locator("#images .cell")
    return [int(cells.nth(place).get_attribute("data-id") or 0) for place in places]


def settled(page: Page, count: int) -> None:
    expect(page.locator(f"body[data-saved='{count}'][data-pending='0']")).to_be_attached()
    assert page.evaluate("document.getElementById('images').contains(document.activeElement)")


def test_images_chosen_by_mouse_are_labelled_and_taken_back(grid: Page, project: Project):
    cells = grid.locator("#images .cell")
    cells.nth(1).click()
    cells.nth(4).click(modifiers=["Shift"])
    cells.nth(2).click(modifiers=["Control"])
    cells.nth(8).click(modifiers=["Control"])
    expect(grid.locator(".selection-count")).to_have_text("4 chosen")
    grid.get_by_role("combobox", name="Class for the chosen images").click()
    grid.keyboard.type("plu")
    grid.locator(".typeahead-option", has_text="Plum").click()
    settled(grid, 1)
    chosen = ids(grid, 1, 3, 4, 8)
    assert [(image.state, image.id) for image in images(chosen)] == [("labelled", image_id) for image_id in chosen]
    assert [event.how for event in label_events(project.id)] == ["grid"] * 4
    expect(cells.nth(3).locator(".cell-name")).to_have_text("Plum")

    grid.get_by_text("4 images labelled Plum.").locator("..").get_by_role("button", name="Undo").click()
    expect(grid.locator("body[data-saved='2']")).to_be_attached()
    assert {image.state for image in images(chosen)} == {"pool"}
    assert [event.how for event in label_events(project.id)[4:]] == ["undo"] * 4
    expect(grid.locator("#images .cell[data-state=gone]")).to_have_count(0)


def test_images_chosen_by_keys_are_labelled_set_aside_and_taken_back(grid: Page):
    grid.locator("#images .cell").first.focus()
    for key in ("ArrowRight", "Space", "Shift+ArrowRight", "Shift+ArrowRight"):
        grid.keyboard.press(key)
    expect(grid.locator(".selection-count")).to_have_text("3 chosen")
    grid.keyboard.press("/")
    grid.keyboard.type("apple")
    grid.keyboard.press("Enter")
    settled(grid, 1)
    labelled = ids(grid, 1, 2, 3)
    assert {image.state for image in images(labelled)} == {"labelled"}

    for key in ("ArrowRight", "Space", "u"):
        grid.keyboard.press(key)
    settled(grid, 2)
    for key in ("ArrowRight", "Space", "x", "3"):
        grid.keyboard.press(key)
    settled(grid, 3)
    unknown, obscured = images(ids(grid, 4, 5))
    assert (unknown.state, obscured.state, obscured.quality) == ("unknown", "pool", "obscured")

    grid.keyboard.press("z")
    expect(grid.locator("body[data-saved='4']")).to_be_attached()
    grid.keyboard.press("z")
    expect(grid.locator("body[data-saved='5']")).to_be_attached()
    unknown, obscured = images(ids(grid, 4, 5))
    assert (unknown.state, obscured.quality) == ("pool", None)
    assert {image.state for image in images(labelled)} == {"labelled"}
