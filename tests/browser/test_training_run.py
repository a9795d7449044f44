"""A training run is started on its page and watched, without a reload, until it has made a version."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.core.database import read
from app.registry.models import ModelVersion
from app.runs.models import Run
from app.training.models import Epoch
from tests.browser.library import Fruit, ended
from tests.browser.tabs import OpenTab

EPOCHS = 3
REMEMBER_STATES = """
window.states = [];
const look = () => {
  const state = document.querySelector("[data-run-id]")?.dataset.runState;
  if (state && window.states.at(-1) !== state) window.states.push(state);
};
look();
new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributes: true });
"""


def start_run(page: Page, path: str) -> int:
    """Fill in the form for a tiny network and send it; the run's id."""
    page.goto(f"{path}/train")
    page.get_by_label("From scratch").check()
    page.get_by_label("Trunk", exact=True).select_option("compact_cnn")
    page.get_by_role("spinbutton", name="Lower cutoff").fill("5")
    page.get_by_role("spinbutton", name="Upper cutoff").fill("60")
    # Another test may have had two of the three trained as one.
    expect(page.locator("[data-preview]")).to_contain_text(re.compile("[23] classes"))
    page.get_by_text("Advanced").click()
    page.get_by_label("Input size").select_option("32")
    page.get_by_role("spinbutton", name="Most epochs").fill(str(EPOCHS))
    never_mirror(page, "orang", "Orange")
    page.get_by_role("button", name="Start training", exact=True).click()
    page.wait_for_url("**/runs/*")
    return int(page.url.rpartition("/")[2])


def never_mirror(page: Page, typed: str, name: str) -> None:
    """Add a class to those that are never mirrored, by a part of its name."""
    page.get_by_role("combobox", name="Never mirrored").fill(typed)
    page.keyboard.press("Enter")
    expect(page.locator(".chip", has_text=name)).to_be_visible()


def see_augmentation(page: Page) -> None:
    """Ask for a preview, then for another by changing a setting: its pictures take the place of the first ones."""
    page.get_by_role("link", name="See what augmentation does").click()
    page.get_by_role("button", name="Show what it does").click()
    pictures = page.locator(".augmented img")
    expect(pictures.first).to_be_visible(timeout=90_000)
    shown = pictures.first.get_attribute("src")
    page.get_by_role("spinbutton", name="Turn by at most").fill("40")
    expect(pictures.first).not_to_have_attribute("src", shown or "", timeout=90_000)
    expect(pictures).to_have_count(8 * 6)
    expect(pictures.last).to_have_js_property("naturalWidth", 160)
    page.get_by_role("link", name="Train with this augmentation").click()
    expect(page.get_by_label("Turn by at most")).to_have_value("40.0")


def test_a_run_started_on_the_page_is_watched_live_to_its_version(open_tab: OpenTab, fruit: Fruit):
    page = open_tab(fruit.id, "engineer")
    run_id = start_run(page, fruit.path)
    page.evaluate(REMEMBER_STATES)
    expect(page.locator(".progress-line [data-progress-words]")).to_contain_text("poch", timeout=90_000)
    expect(page.locator("figure", has_text="Accuracy by epoch").locator(".chart-plot")).to_be_visible()
    expect(page.locator("[data-run-state=succeeded]")).to_be_visible(timeout=90_000)
    expect(page.locator(".stat", has_text="Epochs")).to_contain_text(str(EPOCHS))
    expect(page.get_by_role("heading", name="the worst first")).to_be_visible()
    states = page.evaluate("window.states")
    assert states[-2:] == ["running", "succeeded"], states
    page.get_by_role("link", name="Run again with changes").click()
    expect(page.locator(".chip", has_text="Orange")).to_be_visible()
    expect(page.get_by_role("spinbutton", name="Most epochs")).to_have_value(str(EPOCHS))
    see_augmentation(page)
    page.goto(f"{fruit.path}/runs/{run_id}")

    with read() as session:
        version = session.scalars(select(ModelVersion).where(ModelVersion.run_id == run_id)).one()
        epochs = session.scalars(select(Epoch.number).where(Epoch.run_id == run_id).order_by(Epoch.number)).all()
        evaluation = session.scalars(select(Run.id).where(Run.follows_run_id == run_id)).one()
    assert epochs == [1, 2, 3]
    ended(evaluation)
    page.get_by_role("link", name=f"See version {version.number}").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Version {version.number}")
    expect(page.locator("table").filter(has_text="Orange").first).to_be_visible()
