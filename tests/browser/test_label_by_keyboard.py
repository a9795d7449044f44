"""Twenty images named without the mouse, nothing to wait for between them, the last one taken back."""

from __future__ import annotations

from collections import Counter

from playwright.sync_api import Page, Route, expect

from app.projects.models import Project
from tests.browser.library import done_by_worker, images, label_events
from tests.browser.tabs import OpenTab
from tests.factories.predictions import photo_images
from tests.factories.serving import in_production

NAMES = ["Apple", "Pear", "Plum"]


def in_front(page: Page) -> int:
    """The id of the image on the stage, once there is one."""
    expect(page.locator("body:not([data-image=''])")).to_be_attached()
    return int(page.evaluate("document.body.dataset.image"))


def choice(page: Page, digit: int) -> str:
    """What a digit stands for now."""
    in_front(page)
    return page.locator("#suggestions .suggestion").nth(digit - 1).locator(".suggestion-name").inner_text()


def press(page: Page, *keys: str) -> int:
    """Answer for the image in front; it makes way as soon as the keys are down. The answered image's id."""
    answered = in_front(page)
    for key in keys:
        page.keyboard.press(key) if len(key) == 1 or key in ("Enter", "Space") else page.keyboard.type(key)
    assert page.evaluate("document.body.dataset.image") != str(answered)
    assert page.evaluate("document.getElementById('stage').contains(document.activeElement)")
    return answered


def saved(page: Page, count: int) -> None:
    """Wait for the page's own word that so many answers are stored."""
    expect(page.locator(f"body[data-saved='{count}'][data-pending='0']")).to_be_attached()


def test_twenty_images_are_labelled_by_keyboard_alone(open_tab: OpenTab, project: Project):
    photo_images(project.id, 26)
    version = in_production(project.id, names=NAMES).version
    done_by_worker(project.id, "identification.identify", {"version_id": version.id})
    page = open_tab(project.id, "labeller")
    page.goto(f"/projects/{project.slug}/label")
    expect(page.locator("body[data-ready=label]")).to_be_attached()

    classes = dict(zip(NAMES, version.class_ids, strict=True))
    meant: dict[int, int | None] = {}
    for _ in range(5):
        suggested = choice(page, 1)
        meant[press(page, "Space")] = classes[suggested]
    for digit in (2, 3, 2, 3, 2, 3):
        chosen = choice(page, digit)
        meant[press(page, str(digit))] = classes[chosen]
    for name in ("Plum", "pear", "plu", "Apple"):
        class_id = next(class_id for full, class_id in classes.items() if full.lower().startswith(name.lower()))
        meant[press(page, "/", name, "Enter")] = class_id
    unknown = [press(page, "u"), press(page, "u")]
    not_good = [press(page, "x", "2"), press(page, "x", "1")]
    none = press(page, "n")
    saved(page, 20)

    assert {image.id: image.class_id for image in images(list(meant))} == meant
    assert {image.state for image in images(list(meant))} == {"labelled"}
    assert [image.state for image in images([*unknown, none])] == ["unknown", "unknown", "none"]
    assert [(image.state, image.quality) for image in images(not_good)] == [("pool", "dark"), ("pool", "blurred")]
    events = label_events(project.id)
    assert len(events) == 20
    assert Counter(event.how for event in events) == {"accepted_suggestion": 11, "manual": 9}
    assert {event.suggested_by_version_id for event in events if event.how == "accepted_suggestion"} == {version.id}

    page.keyboard.press("z")
    assert in_front(page) == none
    saved(page, 21)
    assert [image.state for image in images([none])] == ["pool"]
    assert [event.how for event in label_events(project.id)[20:]] == ["undo"]


def test_the_next_image_does_not_wait_for_the_server(open_tab: OpenTab, project: Project):
    photo_images(project.id, 8)
    in_production(project.id, names=NAMES)
    page = open_tab(project.id, "labeller")
    held: list[Route] = []
    page.route("**/labels", lambda route: route.continue_() if held else held.append(route))
    page.goto(f"/projects/{project.slug}/label")
    expect(page.locator("body[data-ready=label]")).to_be_attached()
    answered = [press(page, "1"), press(page, "2"), press(page, "3")]
    expect(page.locator("body[data-saved='0'][data-pending='3']")).to_be_attached()
    expect(page.locator("#picture")).to_have_js_property("complete", value=True)
    assert {image.state for image in images(answered)} == {"pool"}

    held[0].continue_()
    saved(page, 3)
    assert {image.state for image in images(answered)} == {"labelled"}
