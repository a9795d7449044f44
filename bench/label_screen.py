"""From the key to the next picture on the labelling screen, in a real browser, with 1,000,000 images in the library.

Chromium labels by keyboard on a running web process: space, digits, verdicts, type-ahead over 1,500 classes. Measured
is the time from the key event until the next picture is decoded and the frame that shows it is drawn. Baseline, in
turns and in the same browser: a key that only puts another decoded picture of the same size into the page. The small
library is one of 10,000 images: what the screen costs must not grow with the library.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from filling import make_project
from many_images import make_library
from measuring import Figure, Goal, Options, Outcome, run_benchmark, say, settled_on
from photos import load_photos, spread
from playwright.sync_api import Browser, Page, sync_playwright
from web_process import HOST, free_port, web_process

from app.accounts.service import create_user
from app.accounts.sessions import open_session
from app.core.clock import now
from app.core.database import get_engine, write
from app.core.storage import PackWriter, get_storage
from app.imaging.processing import process
from app.labelling.models import LabelClass
from app.projects.models import Project
from app.registry.models import ModelVersion, VersionClass

ABOUT: Final = "From the key to the next picture on the labelling screen, at 1,000,000 images and at 10,000."
CHROMIUM: Final = os.environ.get("WINNOW_TEST_CHROMIUM", "/usr/bin/chromium")
COOKIE: Final = "winnow_session"
SMALL: Final = 10_000
CLASSES: Final = 1_500
PICTURES: Final = 64
QUEUES: Final = ("newest", "uncertain", "uncertain:50,rare:30,newest:20")
KEYS: Final = ("Space", "1", "Space", "2", "Space", "u", "Space", "3", "Space", "n")
PAUSE_MS: Final = 200

WATCH: Final = """
window.times = [];
addEventListener("keydown", (event) => {
  const before = document.body.dataset.image;
  const pressed = event.timeStamp;
  const told = new MutationObserver(async () => {
    if (document.body.dataset.image === before) return;
    told.disconnect();
    const picture = document.getElementById("picture");
    await picture.decode().catch(() => {});
    requestAnimationFrame(() => setTimeout(() => window.times.push(performance.now() - pressed)));
  });
  told.observe(document.body, { attributes: true, attributeFilter: ["data-image"] });
}, { capture: true });
"""
BARE: Final = """
async () => {
  const asked = performance.getEntriesByType("resource").map((one) => one.name);
  const urls = asked.filter((name) => name.includes("/rendition")).slice(-20);
  const picture = document.createElement("img");
  picture.style.cssText = "position:fixed;inset:0;width:100vw;height:100vh;object-fit:contain";
  document.body.replaceChildren(picture);
  const loaded = await Promise.all(urls.map(async (url) => {
    const one = new Image();
    one.src = url;
    await one.decode();
    return one;
  }));
  window.bare = [];
  let at = 0;
  addEventListener("keydown", async (event) => {
    picture.src = loaded[at++ % loaded.length].src;
    await picture.decode();
    requestAnimationFrame(() => setTimeout(() => window.bare.push(performance.now() - event.timeStamp)));
  });
}
"""
REQUESTS: Final = """
(end) => performance.getEntriesByType("resource").filter((one) => one.name.endsWith(end)).map((one) => one.duration)
"""
TYPING: Final = """
(words) => {
  const input = document.getElementById("class-input");
  const times = [];
  input.focus();
  for (const word of words) {
    for (let length = 1; length <= word.length; length++) {
      input.value = word.slice(0, length);
      const began = performance.now();
      input.dispatchEvent(new Event("input"));
      input.nextElementSibling.getBoundingClientRect();
      times.push(performance.now() - began);
    }
  }
  input.value = "";
  input.blur();
  return times;
}
"""


def measure(options: Options) -> Outcome:
    """The same hands on a small and on a large library."""
    large = 50_000 if options.quick else 1_000_000
    answers = options.rounds or (60 if options.quick else 200)
    found: dict[str, dict[str, list[float]]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, images in (("small", SMALL), ("large", large)):
            found[name] = _on_library(options, browser, images, answers)
        browser.close()
    figures: dict[str, Figure] = {}
    for act, times in found["large"].items():
        figures[f"{act}_p50_ms"] = float(np.percentile(times, 50))
        figures[f"{act}_p95_ms"] = float(np.percentile(times, 95))
        figures[f"{act}_p95_ratio"] = figures[f"{act}_p95_ms"] / float(np.percentile(found["small"][act], 95))
    goals = [
        Goal("next_image_p95_ms", figures["next_image_p95_ms"], "at most", 100),
        Goal("keystroke_p95_ms", figures["keystroke_p95_ms"], "at most", 16),
    ]
    parameters = {"images": large, "small": SMALL, "classes": CLASSES, "answers": answers * len(QUEUES)}
    return Outcome(parameters | {"database": "sqlite", "pause_ms": PAUSE_MS}, figures, goals)


def _on_library(options: Options, browser: Browser, images: int, answers: int) -> dict[str, list[float]]:
    """Milliseconds by act on a library of so many images."""
    port = free_port()
    say(f"making a library of {images:,} images")
    with (
        TemporaryDirectory(prefix="winnow-bench-") as folder,
        settled_on(Path(folder) / "data", host=HOST, port=port),
    ):
        user_id, _ = create_user(name="bench", by=None, password=f"bench {token_hex(12)}", is_administrator=True)
        project_id = make_project(user_id)
        make_library(project_id, user_id, images)
        _give_pictures(options)
        slug, session = _sign_in(project_id, user_id)
        with web_process(port, Path(folder) / "web.log"), _tab(browser, port, session) as page:
            return _times(page, slug, answers)


def _times(page: Page, slug: str, answers: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"next_image": [], "keystroke": [], "next_request": [], "label_request": []}
    for queue in QUEUES:
        say(f"  {queue}")
        page.goto(f"/projects/{slug}/label?policy={queue}")
        page.wait_for_selector("body[data-ready=label]:not([data-image=''])", state="attached")
        page.evaluate(WATCH)
        for place in range(answers):
            page.keyboard.press(KEYS[place % len(KEYS)])
            page.wait_for_timeout(PAUSE_MS)
        page.wait_for_selector("body[data-pending='0']", state="attached")
        times["next_image"] += page.evaluate("window.times")
        times["keystroke"] += page.evaluate(TYPING, ["class 07", "Class 1234", "clas 99", "0300"])
        times["next_request"] += page.evaluate(REQUESTS, "/label/next")
        times["label_request"] += page.evaluate(REQUESTS, "/labels")
    page.evaluate(BARE)
    for _ in range(answers):
        page.keyboard.press("Space")
        page.wait_for_timeout(PAUSE_MS)
    times["bare_swap"] = page.evaluate("window.bare")
    return times


@contextmanager
def _tab(browser: Browser, port: int, session: str) -> Iterator[Page]:
    address = f"http://{HOST}:{port}"
    context = browser.new_context(base_url=address, viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": COOKIE, "value": session, "url": address}])
    page = context.new_page()
    page.add_init_script("performance.setResourceTimingBufferSize(5000)")
    yield page
    context.close()


def _give_pictures(options: Options) -> None:
    """Every image gets the rendition of a real photo: the browser has real pictures to decode."""
    photos: Sequence[Any] = spread(load_photos(options), PICTURES)
    packs = PackWriter(get_storage())
    places = [packs.append(process(photo.content).rendition) for photo in photos]
    packs.close()
    rows = [{"n": n, "pack": one.pack, "start": one.offset, "size": one.length} for n, one in enumerate(places)]
    with get_engine().execution_options(winnow_write=True).begin() as connection:
        columns = "n INTEGER PRIMARY KEY, pack TEXT, start INT, size INT"
        connection.execute(sa.text(f"CREATE TEMPORARY TABLE real_picture ({columns})"))
        connection.execute(sa.text("INSERT INTO real_picture VALUES (:n, :pack, :start, :size)"), rows)
        connection.execute(
            sa.text(
                "UPDATE image SET (rendition_pack, rendition_offset, rendition_length) ="
                " (SELECT pack, start, size FROM real_picture WHERE n = image.id % :count)"
            ),
            {"count": len(rows)},
        )


def _sign_in(project_id: int, user_id: int) -> tuple[str, str]:
    """The classes that the version knows, and more, to CLASSES in all; the project's slug and a session's token."""
    with write() as session:
        of_version = {"version_id": session.scalar(sa.select(ModelVersion.id)), "usable": 100}
        for place, known_class in enumerate(session.scalars(sa.select(LabelClass).order_by(LabelClass.id)).all()):
            session.add(VersionClass(position=place, class_id=known_class.id, name=known_class.name, **of_version))
        known = session.scalar(sa.select(sa.func.count()).where(LabelClass.project_id == project_id)) or 0
        session.add_all(
            LabelClass(project_id=project_id, name=f"Class {number:04}", created_at=now())
            for number in range(known, CLASSES)
        )
        return session.get_one(Project, project_id).slug, open_session(session, user_id=user_id)


if __name__ == "__main__":
    run_benchmark("label_screen", measure, about=ABOUT)
