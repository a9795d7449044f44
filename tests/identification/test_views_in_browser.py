"""Each ready view in a real Chromium: filtered by class, accepted by a key, taken back. WINNOW_SHOTS keeps pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert, select

from app.core.clock import now
from app.core.database import read, write
from app.evaluation.models import ConfusionCell, Evaluation
from app.labelling.classes import create_sub_class
from app.labelling.schemas import Change
from app.labelling.service import apply_labels
from app.library.models import Image
from app.library.service import change_images
from app.predictions.models import ScoringJob
from app.projects.models import Project
from tests.factories.predictions import identify_as, photo_images
from tests.factories.registry import TinyVersion, deploy, tiny_version
from tests.identification.test_accept_in_browser import address, page

__all__ = ["address", "page"]
pytestmark = pytest.mark.browser

NAMES = ["Apple", "Pear", "Plum"]
SHOTS = os.environ.get("WINNOW_SHOTS", "")
COUNT = 48


def stock(project_id: int) -> tuple[TinyVersion, int]:
    """A job over 48 photos with what each view looks for; the version, and the job."""
    ids = photo_images(project_id, COUNT + 6)
    version = tiny_version(project_id, NAMES, usable={"Apple": 300, "Pear": 45, "Plum": 100})
    apple, _, plum = version.class_ids
    scores = []
    for index in range(COUNT):
        confidence = 0.36 + 0.013 * index
        row = [(1 - confidence) / 2] * 3
        row[index % 3] = confidence
        scores.append(row)
    labelled = ids[COUNT:]
    with write() as session:
        change_images(session, labelled[:3], project_id=project_id, state="labelled", class_id=apple)
        change_images(session, labelled[3:], project_id=project_id, state="labelled", class_id=plum)
        change_images(session, labelled[4:], project_id=project_id, origin="staged")
        create_sub_class(session, project_id=project_id, class_id=plum, name="Mirabelle")
    identify_as(project_id, version.id, ids[:COUNT], scores)
    with write() as session:
        unknown = [Change(each, to_state="unknown") for each in ids[20:26]]
        apply_labels(
            session,
            project_id=project_id,
            user_id=None,
            how="grid",
            changes=unknown,
            kind="label",
            summary="Unknown",
        )
        job_id = session.scalars(select(ScoringJob.id)).one()
        row = {"version_id": version.id, "job_id": job_id, "attempt": 1, "is_current": True, "subset": "test"}
        row |= {"images": 9, "exposed": 0, "correct": 5, "figures": {}, "created_at": now()}
        evaluation = session.scalars(insert(Evaluation).returning(Evaluation.id), row).one()
        cell = {"evaluation_id": evaluation, "true_class_id": plum, "predicted_class_id": apple, "images": 3}
        session.execute(insert(ConfusionCell), cell)
    deploy(project_id, version.id, upper=0.8, lower=0.4)
    return version, job_id


def shoot(page: Page, name: str) -> None:
    if not SHOTS:
        return
    for width, height in ((1440, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.wait_for_timeout(300)
            page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{scheme}.png")
    page.set_viewport_size({"width": 1280, "height": 800})


def state_of(image_id: str) -> tuple[str, int | None]:
    with read() as session:
        image = session.get_one(Image, int(image_id))
        return image.state, image.class_id


VIEWS = (
    ("Increase low counts", "Pear", "of 40 usable"),
    ("Replace staged or synthetic", "Plum", "2 of 3 staged or synthetic"),
    ("Look-alikes", "Apple", "taken for it: Plum"),
    ("Unknowns", "Plum", "last unknown"),
    ("Lowest scores", "Apple", ""),
)


def test_each_view_is_filtered_labelled_from_and_undone(page: Page, project: Project) -> None:
    version, job_id = stock(project.id)
    page.goto(f"/projects/{project.slug}/identify/{job_id}")
    for number, (title, name, reason) in enumerate(VIEWS):
        page.get_by_role("navigation", name="Views").get_by_role("link", name=title).click()
        line = page.locator(".results-classes li").filter(has_text=name)
        expect(line).to_contain_text(reason)
        shoot(page, f"view-{number}")
        line.get_by_role("link").click()
        expect(page.locator(".results-why-name")).to_have_text(name)
        expect(page.locator(".chip", has_text="Predicted as")).to_contain_text(name)
        cells = page.locator("#results .cell")
        expect(cells.first.locator(".cell-name")).to_have_text(name)
        chosen = cells.first.get_attribute("data-id") or ""
        before = state_of(chosen)
        shoot(page, f"class-{number}")
        cells.first.focus()
        page.keyboard.press("Space")
        page.keyboard.press("a")
        expect(page.locator("#results .cell[data-state=gone]")).to_have_count(1)
        assert state_of(chosen) == ("labelled", version.class_ids[NAMES.index(name)])
        page.keyboard.press("z")
        expect(page.locator("#results .cell[data-state=gone]")).to_have_count(0)
        assert state_of(chosen) == before

    page.get_by_role("link", name="By class").click()
    expect(page.locator(".results-section")).to_have_count(1)
    page.goto(f"/projects/{project.slug}/identify/{job_id}?group=class")
    expect(page.locator(".results-section")).to_have_count(3)
    shoot(page, "sections")

    page.locator("#results .cell").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("m")
    expect(page.locator(".chip", has_text="Like")).to_contain_text("image")
    page.goto(f"/projects/{project.slug}/identify/{job_id}?group=class")

    with read() as session:
        words = session.scalars(select(Image.file_name).order_by(Image.id)).first() or ""
    words = words.partition("-")[0]
    page.get_by_role("link", name="Image filters").click()
    page.get_by_label("File name").fill(words)
    shoot(page, "dialog")
    page.get_by_role("button", name="Show images").click()
    expect(page.locator(".chip", has_text="File name")).to_contain_text(words)
    expect(page.locator("#results .cell").first).to_be_visible()
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Save what is shown as").fill("Some of the pool")
    shoot(page, "save")
    page.get_by_role("button", name="Save the view").click()
    page.locator("summary", has_text="Views").click()
    expect(page.get_by_role("link", name="Some of the pool")).to_be_visible()
    page.locator("summary", has_text="Predictions").click()
    shoot(page, "menu")
