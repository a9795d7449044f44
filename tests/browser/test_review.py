"""A second opinion given blind by keys, the disagreement settled by a reviewer; classes made, merged and parted."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from app.core.database import read, write
from app.labelling.classes import create_class
from app.labelling.review_asking import ask
from app.labelling.service import apply_one_label_to
from app.library.models import Image
from app.projects.models import Project
from tests.browser.tabs import NARROW, OpenTab
from tests.factories.accounts import make_user
from tests.factories.predictions import photo_images


@pytest.fixture
def classes(project: Project) -> dict[str, int]:
    """Three classes, and two photos that somebody called apples and a reviewer asks about."""
    image_ids = photo_images(project.id, 2)
    with write() as session:
        made = {name: create_class(session, project_id=project.id, name=name).id for name in ("Apple", "Pear", "Plum")}
        first = make_user(session).id
        apply_one_label_to(
            session, project_id=project.id, user_id=first, image_ids=image_ids, class_id=made["Apple"], how="manual"
        )
        ask(session, project_id=project.id, image_ids=image_ids, user_id=first)
    return made


def test_a_disagreement_of_two_people_is_settled_by_a_third(
    open_tab: OpenTab, project: Project, classes: dict[str, int]
):
    base = f"/projects/{project.slug}/review"
    second = open_tab(project.id, "labeller", width=NARROW)
    second.goto(base)
    expect(second.locator("#picture")).to_be_visible()
    assert "Apple" not in second.locator("#review").inner_text()
    for words in ("plu", "app"):
        shown = second.locator("#review").get_attribute("data-shown") or ""
        second.keyboard.press("/")
        second.keyboard.type(words)
        second.keyboard.press("Enter")
        expect(second.locator(f"#review:not([data-shown='{shown}'])[data-pending='0']")).to_be_attached()
    expect(second.locator("#empty")).to_be_visible()
    reviewer = open_tab(project.id, "reviewer")
    reviewer.goto(f"{base}/disagreements")
    expect(reviewer.locator(".disagreement")).to_have_count(1)
    reviewer.locator(".disagreement").get_by_role("button", name="Plum").click()
    expect(reviewer.get_by_role("heading", name="No disagreement waits")).to_be_visible()
    with read() as session:
        found = session.query(Image).where(Image.project_id == project.id).order_by(Image.class_id).all()
    assert [(image.class_id, image.is_reviewed) for image in found] == [
        (classes["Apple"], True),
        (classes["Plum"], True),
    ]


def test_classes_are_made_merged_for_a_while_parted_and_merged_for_good(
    open_tab: OpenTab, project: Project, classes: dict[str, int]
):
    page = open_tab(project.id, "reviewer")
    page.goto(f"/projects/{project.slug}/classes")
    page.get_by_text("Make a class", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Quince")
    page.get_by_role("button", name="Make the class").click()
    expect(page.get_by_role("heading", name="Quince", level=1)).to_be_visible()
    page.get_by_text("Train as one with another class, for a while").click()
    page.get_by_label("Trained as").select_option(label="Apple")
    page.get_by_role("button", name="Train as one").click()
    expect(page.get_by_text("trained as one with Apple until parted")).to_be_visible()
    page.get_by_role("button", name="Part from Apple").click()
    expect(page.get_by_text("Train as one with another class, for a while")).to_be_visible()
    page.goto(f"/projects/{project.slug}/classes/{classes['Apple']}")
    page.get_by_text("Merge for good").click()
    page.get_by_label("Merge into").select_option(label="Quince")
    page.get_by_role("button", name="Merge Apple").click()
    expect(page.get_by_role("heading", name="Quince", level=1)).to_be_visible()
    expect(page.get_by_text("Apple is now Quince")).to_be_visible()


def test_a_selection_becomes_a_class_and_is_asked_about(open_tab: OpenTab, project: Project, classes: dict[str, int]):
    page = open_tab(project.id, "reviewer")
    page.goto(f"/projects/{project.slug}/library?class_id={classes['Apple']}")
    page.locator("#images .cell").first.click()
    page.locator(".selection-acts summary").click()
    page.get_by_role("button", name="Make a class of these").click()
    page.get_by_label("Name of the new class").fill("Quince")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 image is Quince now")).to_be_visible()
    expect(page.locator("#images .cell")).to_have_count(1)
    page.locator("#images .cell").first.click()
    page.locator(".selection-acts summary").click()
    page.get_by_role("button", name="Ask for second opinions").click()
    expect(page.get_by_text("Second opinions are asked for on 0 images.")).to_be_visible()
