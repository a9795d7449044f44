"""Duplicates settled by keys and proposals of blurred images confirmed, each taken back by a key."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.core.database import read, write
from app.library.duplicates import link
from app.library.models import Image
from app.projects.models import Project
from tests.browser.library import images
from tests.browser.tabs import OpenTab
from tests.factories.predictions import photo_images


def acted(page: Page, list_id: str, acts: int) -> None:
    """The list has followed so many acts, and the focus is in it."""
    expect(page.locator(f"#{list_id}[data-acts='{acts}']")).to_be_attached()
    assert page.evaluate(f"document.getElementById('{list_id}').contains(document.activeElement)")


def groups(project: Project) -> list[int]:
    """How many images share each duplicate group, the group of the lowest image first."""
    with read() as session:
        query = select(Image.duplicate_group_id).where(Image.project_id == project.id).order_by(Image.id)
        found = [group for group in session.scalars(query) if group is not None]
    return [found.count(group) for group in dict.fromkeys(found)]


def test_duplicates_are_kept_parted_and_put_together_again_by_keys(open_tab: OpenTab, project: Project):
    ids = photo_images(project.id, 5)
    with write() as session:
        link(session, project.id, [(ids[0], ids[1])])
        link(session, project.id, [(ids[2], ids[3]), (ids[2], ids[4])])
    page = open_tab(project.id, "reviewer")
    page.goto(f"/projects/{project.slug}/library/duplicates")
    bundles = page.locator("form[data-bundle]")
    expect(bundles).to_have_count(2)
    page.keyboard.press("n")
    expect(bundles.first).to_be_focused()
    bundles.first.get_by_role("checkbox").nth(2).check()
    page.keyboard.press("s")
    acted(page, "bundles", 1)
    assert groups(project) == [2, 2]
    expect(bundles).to_have_count(2)
    page.keyboard.press("k")
    acted(page, "bundles", 2)
    expect(bundles).to_have_count(1)
    page.keyboard.press("z")
    acted(page, "bundles", 3)
    expect(bundles).to_have_count(2)
    page.keyboard.press("z")
    acted(page, "bundles", 4)
    assert groups(project) == [2, 3]
    page.keyboard.press("e")
    expect(page.locator(".toast-warn")).to_contain_text("Choose the one image")


def test_blurred_proposals_are_confirmed_but_for_one_and_taken_back(open_tab: OpenTab, project: Project):
    blurred = photo_images(project.id, 3, sharpness=1.0)
    photo_images(project.id, 60, start=3)
    page = open_tab(project.id, "labeller")
    page.goto(f"/projects/{project.slug}/library/quality?doubt=blurred&share=2")
    boxes = page.locator("#proposals").get_by_role("checkbox")
    expect(boxes).to_have_count(3)
    boxes.nth(1).click()
    page.keyboard.press("r")
    expect(page.locator(".proposal img[data-turn='90']")).to_be_visible()
    page.keyboard.press("c")
    acted(page, "proposals", 1)
    expect(page.locator("#proposals")).to_contain_text("Nothing waits for a verdict here")
    assert [image.quality for image in images(blurred)] == ["blurred", "good", "blurred"]
    assert images(blurred)[1].rotation == 90
    page.keyboard.press("z")
    acted(page, "proposals", 2)
    expect(boxes).to_have_count(3)
    assert [image.quality for image in images(blurred)] == [None] * 3
