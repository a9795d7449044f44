"""Own keys, other names, notes, many steps back; a connection that goes away; swipes on a phone."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.core.database import read, write
from app.labelling.classes import create_class
from app.labelling.queue_models import ImageNote
from app.projects.models import Project
from tests.browser.library import images, label_events
from tests.browser.tabs import NARROW, OpenTab
from tests.browser.test_label_by_keyboard import NAMES, in_front, press, saved
from tests.factories.predictions import identify_as, photo_images
from tests.factories.serving import in_production

# A browser notes every failed request as an error of the page, so the connection fails inside of it.
AWAY = """
const reached = window.fetch;
window.fetch = (url, options) => {
  const isAway = sessionStorage.away && String(url).endsWith("/labels");
  return isAway ? Promise.reject(new TypeError("away")) : reached(url, options);
};
"""


def open_screen(page: Page, project: Project, query: str = "") -> None:
    page.goto(f"/projects/{project.slug}/label{query}")
    expect(page.locator("body[data-ready=label]")).to_be_attached()
    in_front(page)


def test_own_keys_other_names_notes_and_three_steps_back(open_tab: OpenTab, project: Project):
    photo_images(project.id, 6)
    with write() as session:
        lion = create_class(session, project_id=project.id, name="Lion", aliases=["Panthera leo"]).id
        create_class(session, project_id=project.id, name="Ocelot", key="o")
    page = open_tab(project.id, "labeller")
    page.goto(f"/projects/{project.slug}/label/keys")
    expect(page.locator("body[data-ready=keys]")).to_be_attached()
    page.get_by_label("Key for: Unknown").focus()
    page.keyboard.press("q")
    expect(page.get_by_role("button", name="Back to u")).to_be_visible()

    open_screen(page, project)
    first = press(page, "q")
    second = press(page, "/", "pantera l", "Enter")
    page.keyboard.press("m")
    page.keyboard.type("<b>odd</b> one")
    page.keyboard.press("Enter")
    noted = in_front(page)
    expect(page.locator("#notes li")).to_have_text("You: <b>odd</b> one")
    third = press(page, "o")
    assert third == noted
    saved(page, 3)
    assert [(one.state, one.class_id) for one in images([first, second])] == [("unknown", None), ("labelled", lion)]
    for answered in (third, second, first):
        page.keyboard.press("z")
        assert in_front(page) == answered
    saved(page, 6)
    page.keyboard.press("Shift+Z")
    saved(page, 7)
    assert [one.state for one in images([first, second, third])] == ["unknown", "pool", "pool"]
    page.reload()
    expect(page.locator("body[data-ready=label]")).to_be_attached()
    page.keyboard.press("z")
    saved(page, 1)
    assert [one.state for one in images([first])] == ["pool"]
    with read() as session:
        assert session.scalars(select(ImageNote.text).where(ImageNote.image_id == noted)).all() == ["<b>odd</b> one"]


def test_a_connection_that_goes_away_loses_nothing(open_tab: OpenTab, project: Project):
    photo_images(project.id, 5)
    in_production(project.id, names=NAMES)
    page = open_tab(project.id, "labeller")
    page.add_init_script(AWAY)
    open_screen(page, project)
    page.evaluate("sessionStorage.away = 'yes'")
    answered = [press(page, "1"), press(page, "2"), press(page, "u")]
    expect(page.locator("#saving")).to_contain_text("3")
    page.reload()
    expect(page.locator("body[data-ready=label]")).to_be_attached()
    assert in_front(page) not in answered
    assert {image.state for image in images(answered)} == {"pool"}
    page.evaluate("sessionStorage.removeItem('away')")
    expect(page.get_by_text("3 answers from before are saved now.")).to_be_visible()
    assert [image.state for image in images(answered)] == ["labelled", "labelled", "unknown"]
    assert len(label_events(project.id)) == 3


def test_swipes_answer_on_a_phone(open_tab: OpenTab, project: Project):
    image_ids = photo_images(project.id, 3)
    version = in_production(project.id, names=NAMES).version
    identify_as(project.id, version.id, image_ids, [[0.7, 0.2, 0.1]] * 3)
    page = open_tab(project.id, "labeller", width=NARROW)
    open_screen(page, project)
    fingers = page.context.new_cdp_session(page)

    def swipe(across: int, down: int) -> None:
        box = page.locator("#frame").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind, way in (("touchStart", 0.0), ("touchMove", 0.5), ("touchMove", 1.0)):
            points = [{"x": x + across * way, "y": y + down * way}]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    accepted = in_front(page)
    swipe(120, 0)
    saved(page, 1)
    skipped = in_front(page)
    swipe(-120, 0)
    saved(page, 2)
    assert in_front(page) not in {accepted, skipped}
    swipe(0, -120)
    expect(page.locator("#class-input")).to_be_focused()
    assert [image.state for image in images([accepted, skipped])] == ["labelled", "pool"]
