"""A snapshot exported: its classes and splits as they were frozen, in formats that training code reads."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import Counter

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select, update

from app.core.database import read, write
from app.core.errors import InvalidInput, NotFound
from app.datasets.models import SnapshotImage
from app.datasets.service import freeze
from app.exchange.exports import request_export
from app.exchange.formats.crc32c import crc32c, masked_crc32c
from app.exchange.schemas import ExportRequest
from app.labelling.models import LabelClass
from app.library.models import Image
from tests.exchange.stock import export_now, file_of
from tests.factories.datasets import make_class as made_class
from tests.factories.datasets import make_project as made_project
from tests.factories.predictions import photo_images

pytestmark = pytest.mark.usefixtures("installation")
_LENGTH = struct.Struct("<QI")


@pytest.fixture
def frozen() -> tuple[int, int, dict[int, str]]:
    """Project, snapshot and the split of each image: two classes of ten photos, relabelled since."""
    with write() as session:
        project_id = made_project(session)
        pear, fig = (made_class(session, project_id, name) for name in ("Pear", "Fig/green"))
    ids = photo_images(project_id, 20, format="jpeg")
    with write() as session:
        for class_id, own in ((pear, ids[:10]), (fig, ids[10:])):
            labelled = {"state": "labelled", "class_id": class_id}
            session.execute(update(Image).where(Image.id.in_(own)).values(**labelled))
        snapshot = freeze(session, project_id=project_id, lower=2, upper=8)
        splits = dict(
            session.execute(
                select(SnapshotImage.image_id, SnapshotImage.split).where(SnapshotImage.snapshot_id == snapshot.id)
            ).all()
        )
        session.execute(update(Image).where(Image.id.in_(ids)).values(class_id=pear))
        session.execute(update(LabelClass).where(LabelClass.id == pear).values(name="Williams"))
    return project_id, snapshot.id, splits


def test_a_manifest_tells_each_image_as_it_was_frozen(frozen: tuple[int, int, dict[int, str]]):
    project_id, snapshot_id, splits = frozen
    run = export_now(project_id, format="parquet", pictures="none", snapshot_id=snapshot_id)
    table = pq.read_table(file_of(run))
    rows = table.to_pylist()
    assert {row["image_id"]: row["split"] for row in rows} == splits
    assert Counter(row["class"] for row in rows) == {"Pear": 8, "Fig/green": 8}
    assert {row["why"] for row in rows} == {"real"}
    assert {row["origin"] for row in rows} == {"real"}
    assert len({row["sha256"] for row in rows}) == len(rows) == 16


def test_class_folders_lie_in_a_folder_for_each_split(frozen: tuple[int, int, dict[int, str]]):
    project_id, snapshot_id, splits = frozen
    run = export_now(project_id, format="split_folders", pictures="renditions", snapshot_id=snapshot_id)
    with zipfile.ZipFile(file_of(run)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        report = archive.read("report.txt").decode()
    assert Counter(name.split("/")[0] for name in names) == Counter(splits.values())
    assert {name.split("/")[1] for name in names} == {"Pear", "Fig_green"}
    assert f"Snapshot: {snapshot_id}" in report


def test_records_lie_in_shards_by_split_with_checksums_that_fit(frozen: tuple[int, int, dict[int, str]]):
    project_id, snapshot_id, splits = frozen
    run = export_now(project_id, format="tfrecord", pictures="renditions", snapshot_id=snapshot_id)
    found: Counter[str] = Counter()
    with zipfile.ZipFile(file_of(run)) as archive:
        assert archive.read("classes.txt").decode().splitlines() == ["Fig/green", "Pear"]
        for name in archive.namelist():
            if name.endswith(".tfrecord"):
                found[name.split("/")[0]] += len(list(_records(archive.read(name))))
    assert found == Counter(splits.values())


def _records(content: bytes) -> list[bytes]:
    file, records = io.BytesIO(content), []
    while head := file.read(_LENGTH.size):
        length, checksum = _LENGTH.unpack(head)
        assert checksum == masked_crc32c(head[:8])
        record = file.read(length)
        assert struct.unpack("<I", file.read(4))[0] == masked_crc32c(record)
        records.append(record)
    return records


@pytest.mark.parametrize(("content", "checksum"), [(b"", 0), (b"123456789", 0xE3069283), (b"\0" * 32, 0x8A9136AA)])
def test_the_checksum_is_that_of_the_specification(content: bytes, checksum: int):
    assert crc32c(content) == checksum


def test_an_export_is_of_one_thing_and_of_ones_own(frozen: tuple[int, int, dict[int, str]]):
    project_id, snapshot_id, _ = frozen
    for asked, error, words in (
        ({"snapshot_id": snapshot_id, "query": "state=pool"}, InvalidInput, "more than one"),
        ({"snapshot_id": snapshot_id + 1}, NotFound, "no snapshot"),
        ({"snapshot_id": snapshot_id, "format": "tfrecord", "pictures": "none"}, InvalidInput, "hold the pictures"),
    ):
        request = ExportRequest.model_validate(asked)
        with read() as session, pytest.raises(error, match=words):
            request_export(session, project_id=project_id, user_id=None, request=request)
