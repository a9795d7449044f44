"""Filtering by the form of all fields, keeping what is shown as a view, finding it, deleting it, bringing it back."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.library import Fruit
from tests.browser.tabs import OpenTab


def test_a_filter_is_chosen_saved_deleted_and_brought_back(fruit: Fruit, open_tab: OpenTab):
    page = open_tab(fruit.id, "labeller")
    page.goto(f"{fruit.path}/library")
    page.get_by_role("link", name="More filters").click()
    form = page.get_by_role("dialog", name="Filter images")
    form.get_by_role("checkbox", name="Labelled", exact=False).first.check()
    form.get_by_label("Shorter side at least (px)").fill("10")
    form.get_by_role("button", name="Show images").click()
    expect(page).to_have_url(re.compile(r"/library\?state=labelled&short_side_min=10$"))
    count = page.locator(".chips-count").inner_text()
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Save what is shown as").fill("To check")
    page.get_by_role("button", name="Save the view").click()
    expect(page.get_by_text("Saved as the view To check.")).to_be_visible()
    page.goto(f"{fruit.path}/library/views")
    page.get_by_role("link", name="To check").click()
    expect(page.locator(".chips-count")).to_have_text(count)
    page.goto(f"{fruit.path}/library/views")
    page.locator("tr", has_text="To check").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="To check")).to_have_count(0)
    page.locator("li", has_text="To check").get_by_role("button", name="Bring back").click()
    expect(page.get_by_role("link", name="To check")).to_be_visible()
