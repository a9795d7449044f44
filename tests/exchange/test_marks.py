"""What a table tells of new images beside their labels is kept; known images stay as they are."""

from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.settings import get_settings
from app.exchange.formats.columns import COLUMNS
from app.library.models import Image
from tests.factories import labelling
from tests.factories.labelling import Workplace
from tests.factories.library import do_import, write_files
from tests.photos import photos

ROWS = {
    "1.jpg": {"class": "Lion", "quality": "blurred", "origin": "staged", "rotation": "90", "small_subject": "yes"},
    "2.jpg": {"state": "unknown"},
    "3.jpg": {"state": "none", "quality": "good"},
    "4.jpg": {"state": "pool", "quality": "nonsense", "origin": "nonsense", "rotation": "45"},
}


def table(rows: dict[str, dict[str, str]]) -> str:
    """A table with all columns of an export of ours."""
    lines = [",".join({**dict.fromkeys(COLUMNS, ""), **row, "file": name}.values()) for name, row in rows.items()]
    return "\n".join([",".join(COLUMNS), *lines])


@pytest.fixture
def place(installation: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:  # noqa: ARG001 - must exist first
    monkeypatch.setenv("WINNOW_DECODE_WORKERS", "1")
    get_settings.cache_clear()
    with write() as session:
        return labelling.workplace(session)


def marks(project_id: int) -> dict[str, tuple[object, ...]]:
    """State, quality, origin, rotation and small subject, by file name."""
    columns = (Image.state, Image.quality, Image.origin, Image.rotation, Image.is_small_subject)
    with read() as session:
        rows = session.execute(select(Image.file_name, *columns).where(Image.project_id == project_id))
        return {name: tuple(told) for name, *told in rows}


def test_a_table_tells_state_quality_origin_and_rotation_of_new_images(place: Workplace, tmp_path: Path):
    files = {f"{number}.jpg": each.image_bytes for number, each in enumerate(photos(4), 1)}
    folder = write_files(tmp_path / "in", {**files, "labels.csv": table(ROWS).encode()})
    do_import(place.project_id, folder, format="csv")
    told = marks(place.project_id)
    assert told == {
        "1.jpg": ("labelled", "blurred", "staged", 90, True),
        "2.jpg": ("unknown", None, "real", 0, False),
        "3.jpg": ("none", "good", "real", 0, False),
        "4.jpg": ("pool", None, "real", 0, False),
    }
    (folder / "labels.csv").write_text(table(ROWS).replace("unknown", "none").replace("blurred", "dark"))
    assert (do_import(place.project_id, folder, format="csv").result or {})["known"] == 4
    assert marks(place.project_id) == told
