"""A page of look-alikes labelled by keys with two exceptions, which come back; the answer taken back as one."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert

from app.core.database import write
from app.embeddings.store import add
from app.labelling.schemas import LabelRequest
from app.labelling.service import act_on
from app.projects.models import Project
from app.registry.models import ReferenceTrunk
from app.registry.queries import get_trunk
from tests.browser.library import images, label_events
from tests.browser.tabs import OpenTab
from tests.factories.accounts import make_user
from tests.factories.predictions import photo_images
from tests.factories.registry import make_classes, tiny_trunk_row
from tests.inference.networks import WIDTH


@pytest.fixture
def page(open_tab: OpenTab, project: Project) -> Page:
    """A labeller's tab on eight photos that wait: five like labelled apples, three like labelled pears."""
    ids = photo_images(project.id, 14)
    places = [0] * 8 + [1] * 6
    rows = np.zeros((14, WIDTH), np.float32)
    rows[np.arange(14), places] = 4
    rows += np.random.default_rng(0).normal(scale=0.01, size=rows.shape).astype(np.float32)
    with write() as session:
        trunk_id = tiny_trunk_row(session)
        session.execute(insert(ReferenceTrunk).values(project_id=project.id, trunk_id=trunk_id))
        trunk = get_trunk(session, trunk_id)
        apple, pear = make_classes(session, project.id, ["Apple", "Pear"])
        user_id = make_user(session).id
    add(trunk, [(image_id, 0) for image_id in ids], rows)
    for class_id, labelled in ((apple, ids[:3]), (pear, ids[8:11])):
        request = LabelRequest(image_ids=labelled, act="label", class_id=class_id)
        with write() as session:
            act_on(session, request, project_id=project.id, user_id=user_id, may_remove_many=False, image_ids=labelled)
    page = open_tab(project.id, "labeller")
    page.goto(f"/projects/{project.slug}/label/grid")
    expect(page.locator("#page-words")).to_have_text("8 images, 2 classes")
    return page


def shown(page: Page) -> dict[str, list[int]]:
    """Ids on the page by class."""
    groups = page.locator(".lookalikes-class").all()
    return {
        group.get_attribute("aria-label") or "": [
            int(cell.get_attribute("data-id") or 0) for cell in group.locator(".cell").all()
        ]
        for group in groups
    }


def saved(page: Page, count: int) -> None:
    expect(page.locator(f"body[data-saved='{count}'][data-pending='0']")).to_be_attached()


def test_a_page_is_labelled_by_keys_but_for_two_exceptions_and_taken_back(page: Page, project: Project):
    first = shown(page)
    assert {name: len(ids) for name, ids in first.items()} == {"Apple": 5, "Pear": 3}
    for key in ("Space", "ArrowRight", "Space"):
        page.keyboard.press(key)
    expect(page.locator("#accept-words")).to_have_text("Label 6 images")
    out = [int(cell.get_attribute("data-id") or 0) for cell in page.locator(".cell[aria-selected=true]").all()]
    assert out == first["Apple"][:2]
    page.keyboard.press("Enter")
    saved(page, 1)
    expect(page.locator("#page-words")).to_have_text("2 images, Pear")
    assert sorted(shown(page)["Pear"]) == sorted(out)
    stayed = first["Apple"][2:] + first["Pear"]
    assert {image.state for image in images(stayed)} == {"labelled"}
    assert [event.how for event in label_events(project.id)[6:]] == ["grid"] * 6

    page.keyboard.press("z")
    saved(page, 2)
    expect(page.locator("#page-words")).to_have_text("8 images, 2 classes")
    assert shown(page) == first
    expect(page.locator(".cell[aria-selected=true]")).to_have_count(2)
    assert {image.state for image in images(stayed)} == {"pool"}


def test_exceptions_get_their_own_class_by_its_name_and_a_full_page_gives_way_to_nothing(page: Page):
    first = shown(page)
    page.locator(f".cell[data-id='{first['Apple'][1]}']").click()
    page.keyboard.press("/")
    page.keyboard.type("pea")
    page.keyboard.press("Enter")
    expect(page.locator("#accept-words")).to_have_text("Label 8 images")
    page.keyboard.press("Enter")
    saved(page, 1)
    expect(page.get_by_role("heading", name="No page is left")).to_be_visible()
    assert len({image.class_id for image in images([first["Apple"][1], *first["Pear"]])}) == 1
