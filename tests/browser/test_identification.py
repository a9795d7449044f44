"""The pool is identified from its page; predictions are filtered, accepted by a key, and taken back."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from app.projects.models import Project
from tests.browser.library import images, label_events
from tests.browser.tabs import OpenTab
from tests.factories.predictions import photo_images
from tests.factories.registry import tiny_version

NAMES = ["Apple", "Pear", "Plum"]
COUNT = 16


def identify_the_pool(page: Page, path: str) -> None:
    """Start a job, wait for its end on the page, and open its results."""
    page.goto(f"{path}/identify")
    page.get_by_role("button", name="Identify", exact=True).click()
    row = page.get_by_role("table").get_by_role("row").nth(1)
    expect(row).to_contain_text("succeeded")
    row.get_by_role("link").first.click()
    expect(page.locator("#results .cell")).to_have_count(COUNT)


def test_predictions_are_filtered_accepted_by_key_and_taken_back(open_tab: OpenTab, project: Project):
    photo_images(project.id, COUNT)
    version = tiny_version(project.id, NAMES)
    page = open_tab(project.id, "engineer")
    identify_the_pool(page, f"/projects/{project.slug}")

    fullest = page.locator(".results-classes li").first
    name, count = fullest.locator(".clip").inner_text(), int(fullest.locator(".num").inner_text())
    fullest.get_by_role("link").click()
    cells = page.locator("#results .cell")
    left = page.locator(".results-classes [aria-current] .num")
    expect(left).to_have_text(str(count))
    expect(cells).to_have_count(count)
    expect(page.locator("#results .cell-name").first).to_have_text(name)
    expect(page.locator(".chip")).to_contain_text([name])

    cells.first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("a")
    expect(page.get_by_text("2 images labelled as predicted.")).to_be_visible()
    assert page.evaluate("document.getElementById('results').contains(document.activeElement)")
    expect(page.locator("#results .cell[data-state=gone]")).to_have_count(2)
    expect(left).to_have_text(str(count - 2))
    accepted = [int(cells.nth(at).get_attribute("data-id") or 0) for at in (0, 1)]
    class_id = version.class_ids[NAMES.index(name)]
    assert [(image.state, image.class_id) for image in images(accepted)] == [("labelled", class_id)] * 2
    assert [event.suggested_by_version_id for event in label_events(project.id)] == [version.id] * 2
    page.reload()
    expect(left).to_have_text(str(count - 2))
    expect(cells).to_have_count(count - 2)

    cells.first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("a")
    expect(page.locator("#results .cell[data-state=gone]")).to_have_count(1)
    third = int(cells.first.get_attribute("data-id") or 0)
    assert images([third])[0].state == "labelled"
    page.keyboard.press("z")
    expect(page.locator("#results .cell[data-state=gone]")).to_have_count(0)
    expect(left).to_have_text(str(count - 2))
    assert images([third])[0].state == "pool"
