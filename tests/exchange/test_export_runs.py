"""Export jobs: what lands in the archive, what is left out and said, stopping and going on, expiry."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image as Picture
from sqlalchemy import update

from app.core.clock import now
from app.core.database import read, write
from app.core.errors import InvalidInput, NotFound
from app.core.storage import digest_of, get_storage
from app.exchange.exporting import run_export
from app.exchange.exports import (
    downloadable,
    exports,
    get_export,
    request_export,
    stored_path,
    sweep_exports,
    work_dir,
)
from app.exchange.formats.registry import WRITERS
from app.exchange.schemas import ExportRequest
from app.library.models import Image
from app.runs.claims import requeue
from app.runs.errors import RunCancelled
from app.runs.models import Run
from tests import photos
from tests.exchange.stock import export_now, file_of, stocked
from tests.factories.library import get_run
from worker.execution import RunContext, execute_run

pytestmark = pytest.mark.usefixtures("installation")


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_export_holds_the_originals_of_what_matches_and_a_table_of_them():
    project_id, user_id, _ = stocked()
    run = export_now(project_id, user_id, format="csv", query="state=labelled")
    files = contents(file_of(run))
    rows = list(csv.DictReader(io.StringIO(files["labels.csv"].decode())))
    assert (run.state, run.result and run.result["images"], len(rows)) == ("succeeded", 5, 5)
    assert {digest_of(files[row["file"]]) for row in rows} == {row["sha256"] for row in rows}
    assert {row["labelled_by"] for row in rows} == {"ann"}
    assert b"Images: 5 of 5" in files["report.txt"]
    assert not work_dir(run.id).joinpath("rows.db").exists()


@pytest.mark.parametrize("name", sorted(WRITERS.keys() - {"tfrecord"}))
def test_labels_alone_are_one_file_or_an_archive_without_pictures(name: str):
    project_id, user_id, _ = stocked()
    run = export_now(project_id, user_id, format=name, pictures="none")
    path = file_of(run)
    if path.suffix == ".zip":
        assert not [file for file in contents(path) if file.endswith(".jpg")]
    else:
        assert path.suffix in {".csv", ".json", ".parquet"}
        assert path.read_bytes().strip()


def test_renditions_take_the_place_of_originals():
    project_id, user_id, _ = stocked()
    run = export_now(project_id, user_id, pictures="renditions", query="state=labelled")
    pictures = [content for name, content in contents(file_of(run)).items() if name.startswith("images/")]
    assert len(pictures) == 5
    with Picture.open(io.BytesIO(pictures[0])) as picture:
        assert min(picture.size) == 320


def test_metadata_is_taken_out_and_what_cannot_be_stripped_is_left_out_and_named():
    project_id, user_id, ids = stocked()
    secret, gif = photos.with_exif(6, camera=("Secret", "Camera")), photos.reencoded("GIF")
    with write() as session:
        for image_id, content, form in ((ids[0], secret, "jpeg"), (ids[1], gif, "gif")):
            values = {"sha256": get_storage().put_blob(content), "format": form}
            session.execute(update(Image).where(Image.id == image_id).values(**values))
    run = export_now(project_id, user_id, strip_metadata=True)
    files = contents(file_of(run))
    assert (run.result or {})["missing"] == 1
    assert b"metadata cannot be taken out of gif" in files["report.txt"]
    assert not [name for name in files if name.endswith(".gif")]
    assert not [name for name, content in files.items() if b"Secret" in content]
    assert digest_of(gif) not in files["labels.csv"].decode()


def test_purged_images_are_left_out_and_named():
    project_id, user_id, ids = stocked()
    with write() as session:
        gone = session.get_one(Image, ids[3])
        get_storage().blob_path(gone.sha256).unlink()
    run = export_now(project_id, user_id, format="coco")
    files = contents(file_of(run))
    assert gone.sha256 in files["report.txt"].decode()
    assert b"its bytes are gone" in files["report.txt"]
    assert len(json.loads(files["coco.json"])["images"]) == 7


def test_a_killed_export_goes_on_and_tells_the_moment_of_its_first_attempt():
    project_id, user_id, ids = stocked()
    with write() as session:
        run_id = request_export(session, project_id=project_id, user_id=user_id, request=ExportRequest())

    def killed(context: RunContext) -> None:
        class Killed(RunContext):
            def progress(self, done: int, total: int, note: str = "", **live: object) -> None:
                if total and done >= 4:
                    raise RunCancelled
                super().progress(done, total, note, **live)

        run_export(Killed(context.claim), chunk_images=2)

    execute_run(run_id, killed)
    assert get_run(run_id).state == "cancelled"
    copied = (work_dir(run_id) / "export.zip").stat().st_size
    assert copied > 0
    with write() as session:
        session.execute(update(Image).where(Image.id == ids[7]).values(file_name="renamed.jpg"))
        session.execute(update(Run).where(Run.id == run_id).values(state="running", finished_at=None))
        requeue(session, session.get_one(Run, run_id, populate_existing=True), reason="test")
    execute_run(run_id, run_export)
    files = contents(file_of(get_run(run_id)))
    assert len(files) == 8 + 2
    assert "images/renamed.jpg" not in files


def test_an_unknown_format_or_filter_is_refused_before_anything_is_queued():
    project_id, user_id, _ = stocked()
    for asked in ({"format": "../x"}, {"query": "password=1"}, {"query": "state=nonsense"}):
        with write() as session, pytest.raises(InvalidInput):
            request_export(session, project_id=project_id, user_id=user_id, request=ExportRequest.model_validate(asked))
    with read() as session:
        assert exports(session, project_id) == []


def test_an_export_expires_and_is_swept_and_others_stay():
    project_id, user_id, _ = stocked()
    old, young = (export_now(project_id, user_id, pictures="none") for _ in range(2))
    past = now() - timedelta(days=8)
    with write() as session:
        run = session.get_one(Run, old.id)
        run.finished_at = past
        run.result = {**(run.result or {}), "expires_at": (past + timedelta(days=7)).isoformat()}
    stored_path(999_999, ".zip").write_bytes(b"nobody's")
    work_dir(999_998).joinpath("rows.db").write_bytes(b"nobody's")
    with read() as session:
        with pytest.raises(NotFound, match="expired"):
            downloadable(get_export(session, project_id, old.id))
        assert downloadable(get_export(session, project_id, young.id)).is_file()
    assert sweep_exports() == 3
    assert not file_of(old).exists()
    assert file_of(young).exists()
