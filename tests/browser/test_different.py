"""A watched class is told of when the pool was identified; its images come most different first, in stacks."""

from __future__ import annotations

import os
import re

from playwright.sync_api import expect
from sqlalchemy import update

from app.core.database import write
from app.library.models import Image
from app.projects.models import Project
from tests.browser.tabs import OpenTab
from tests.browser.test_identification import COUNT, NAMES, identify_the_pool
from tests.factories.datasets import make_duplicate_group
from tests.factories.predictions import photo_images
from tests.factories.registry import tiny_version


def test_news_of_a_watched_class_lead_to_its_images_where_a_stack_opens(open_tab: OpenTab, project: Project):
    pictures = photo_images(project.id, COUNT)
    version = tiny_version(project.id, NAMES)
    with write() as session:  # one stack that the embeddings need not show
        group_id = make_duplicate_group(session, project.id)
        session.execute(update(Image).where(Image.id.in_(pictures[:4])).values(duplicate_group_id=group_id))
    page, path = open_tab(project.id, "engineer"), f"/projects/{project.slug}"
    for class_id in version.class_ids:
        page.goto(f"{path}/classes/{class_id}")
        page.get_by_role("button", name="Watch", exact=True).click()
        expect(page.get_by_role("button", name="Stop watching")).to_be_visible()

    identify_the_pool(page, path)
    told = page.locator(".notice-line")
    page.goto("/notices")
    for _ in range(30):  # beat looks every few seconds
        if told.count() >= 2:
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(told.filter(has_text=f"done, {COUNT} images")).to_have_count(1)
    news = told.filter(has_text="predicted as it that").first
    name = re.search(rf"({'|'.join(NAMES)}):", news.inner_text()).group(1)
    news.get_by_role("button", name="Open").click()
    expect(page.locator("#results .cell-name").first).to_have_text(name)

    page.goto(f"{page.url.split('?')[0]}?sort=different")
    if os.environ.get("WINNOW_SHOTS"):
        page.screenshot(path=f"{os.environ['WINNOW_SHOTS']}/different.png")
    badge = page.locator("#results [data-stack]").first
    behind = int(badge.inner_text())
    badge.click()
    cells = page.locator("#results .cell")
    expect(cells).to_have_count(behind + 1)
    page.go_back()
    page.locator("#results .cell:has([data-stack])").first.focus()
    page.keyboard.press("d")
    expect(cells).to_have_count(behind + 1)
    expect(page.locator(".chip")).to_contain_text(["stack"])
