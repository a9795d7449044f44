"""A family of real processes for the journeys, and real photos in folders to import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.installation import Installation, running
from tests.photos import photos


@pytest.fixture
def family(installation: Path) -> Iterator[Installation]:
    """`winnow up` on the test's own data folder and database."""
    with running(installation) as found:
        yield found


def write_class_folders(folder: Path, counts: dict[str, int], *, skip: int = 0) -> Path:
    """`counts` photos of each class in a folder of its name; `skip` leaves the first ones of each class out."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number, each in enumerate(photos(count + skip, label=name)[skip:]):
            (folder / name / f"{number:03d}.jpg").write_bytes(each.image_bytes)
    return folder


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Three classes of 24 photos each."""
    return write_class_folders(tmp_path / "labelled", {"Apple": 24, "Melon": 24, "Orange": 24})


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """90 other photos, without labels."""
    folder = tmp_path / "pool"
    folder.mkdir()
    for number, each in enumerate(photos(90, label="Satsumas")):
        (folder / f"{number:03d}.jpg").write_bytes(each.image_bytes)
    return folder
