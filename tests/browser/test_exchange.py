"""Labels out and in again by hand: a filtered export downloaded, its table edited, compared, applied, taken back."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from playwright.sync_api import expect
from sqlalchemy import select

from app.core.database import read, write
from app.library.models import Image
from app.projects.models import Project
from tests.browser.tabs import OpenTab
from tests.factories.predictions import photo_images
from tests.factories.registry import make_classes


def states(project_id: int) -> list[str]:
    with read() as session:
        return list(session.scalars(select(Image.state).where(Image.project_id == project_id).order_by(Image.id)))


def test_a_filtered_export_is_edited_and_relabels(open_tab: OpenTab, project: Project, tmp_path: Path):
    photo_images(project.id, 6, start=30)
    with write() as session:
        make_classes(session, project.id, ["Apple"])
    page = open_tab(project.id, "engineer")
    page.goto(f"/projects/{project.slug}/library?state=pool")
    page.get_by_role("link", name="Export", exact=True).click()
    expect(page.get_by_role("heading", name="Export 6 images")).to_be_visible()
    page.get_by_label("Pictures").select_option("none")
    page.get_by_role("button", name="Export", exact=True).click()
    link = page.get_by_role("link", name="CSV", exact=True)
    with page.expect_download() as downloading:
        link.click()
    rows = list(csv.DictReader(io.StringIO(Path(downloading.value.path()).read_text())))
    assert downloading.value.suggested_filename.endswith(".csv")
    assert [row["state"] for row in rows] == ["pool"] * 6

    rows[0]["class"], rows[1]["class"], rows[2]["state"] = "Apple", "Quince", "unknown"
    table = tmp_path / "edited.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    page.get_by_role("link", name="Relabel by a CSV file").click()
    page.get_by_label("CSV file").set_input_files(table)
    page.get_by_role("button", name="Compare with the library").click()
    expect(page.get_by_role("heading", name="3 images change")).to_be_visible()
    expect(page.get_by_text("Quince: 1 image")).to_be_visible()
    assert states(project.id) == ["pool"] * 6
    page.get_by_role("button", name="Relabel", exact=True).click()
    expect(page.get_by_role("heading", name="3 images relabelled")).to_be_visible()
    assert states(project.id) == ["labelled", "labelled", "unknown", "pool", "pool", "pool"]
    compared = page.url
    page.get_by_role("button", name="Undo").click()
    expect(page).not_to_have_url(compared)
    page.goto(compared)
    expect(page.get_by_text(re.compile("^undone$|– *undone"))).to_be_visible()
    assert states(project.id) == ["pool"] * 6
