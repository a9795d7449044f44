"""Labels as CSV: every image, in chunks, with cells that are no formulas."""

from __future__ import annotations

import csv
import io

import pytest

from app.core.clock import now
from app.core.database import read, write
from app.labelling import export, service
from app.labelling.classes import create_class
from app.library.models import ImageSource
from tests.factories import labelling as make

pytestmark = pytest.mark.usefixtures("installation")


def test_every_image_is_exported_with_its_label():
    with write() as session:
        place = make.workplace(session)
        image_ids = make.images(session, place.project_id, 5)
        make.images(session, make.project(session, "Other"), 1)
        service.apply_one_label_to(
            session,
            project_id=place.project_id,
            user_id=place.ann,
            image_ids=image_ids[:3],
            class_id=place.lion,
            sub_class_id=place.cub,
            how="grid",
        )
    text = "".join(export.csv_lines(place.project_id, chunk=2))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["file"] for row in rows] == [f"photo-{number:05}.jpg" for number in range(5)]
    first, last = rows[0], rows[-1]
    assert (first["class"], first["sub_class"], first["state"], first["how"], first["by"]) == (
        *("Lion", "cub", "labelled"),
        *("grid", "ann"),
    )
    assert first["labelled_at"].endswith("+00:00")
    assert (last["class"], last["state"], last["by"], last["labelled_at"]) == ("", "pool", "", "")
    with read() as session:
        assert list(export.export_rows(session, place.project_id)) == rows


def test_a_file_has_the_name_under_which_it_first_arrived_folders_included():
    with write() as session:
        place = make.workplace(session)
        (image_id,) = make.images(session, place.project_id, 1)
        names = ("Lion/cub/1.jpg", "later/1.jpg")
        session.add_all(ImageSource(image_id=image_id, name=name, created_at=now()) for name in names)
    (row,) = csv.DictReader(io.StringIO("".join(export.csv_lines(place.project_id))))
    assert row["file"] == "Lion/cub/1.jpg"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-2", "@SUM(A1)", '=HYPERLINK("http://x")'])
def test_a_cell_that_a_spreadsheet_would_run_starts_with_an_apostrophe(name: str):
    with write() as session:
        place = make.workplace(session)
        (image_id,) = make.images(session, place.project_id, 1, file_name=name)
        class_id = create_class(session, project_id=place.project_id, name=name).id
        service.apply_one_label_to(
            session, project_id=place.project_id, user_id=place.ann, image_ids=[image_id], class_id=class_id
        )
    (row,) = csv.DictReader(io.StringIO("".join(export.csv_lines(place.project_id))))
    assert (row["file"], row["class"]) == (f"'{name}", f"'{name}")
