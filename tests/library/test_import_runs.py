"""Whole imports: folders, archives, uploads, tables; hostile files; kills; the same folder twice."""

import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import read, write
from app.core.errors import Forbidden, InvalidInput, NotFound, TooLarge
from app.core.settings import get_settings
from app.core.storage import digest_of, get_storage
from app.exchange.reading import open_labels
from app.labelling.service import label_imported
from app.library import importing, uploads
from app.library.counts import kept_counts, recount
from app.library.imports import request_import
from app.library.metadata import metadata_of
from app.library.models import Image, ImageSource, ImportBatch
from app.library.schemas import ImportRequest, LabelRow
from app.runs.claims import requeue
from app.runs.models import Run, RunState
from app.runs.service import request_cancel, resume
from tests import photos
from tests.factories import labelling
from tests.factories.labelling import Workplace
from tests.factories.library import ask_import, do_import, get_run, image_named, write_files
from worker.execution import RunContext, execute_run
from worker.tasks.library import run_import

FIGURES = ("added", "known", "quarantined", "labelled", "conflicts", "skipped")


@pytest.fixture(autouse=True)
def place(installation: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:  # noqa: ARG001 - must exist first
    monkeypatch.setenv("WINNOW_DECODE_WORKERS", "1")
    get_settings.cache_clear()
    with write() as session:
        return labelling.workplace(session)


def figures(result: dict[str, object] | None) -> dict[str, object]:
    """What is not zero."""
    assert result is not None
    return {name: result[name] for name in FIGURES if result[name]}


def real_files() -> dict[str, bytes]:
    first, second, third, fourth = (photo.image_bytes for photo in photos.photos(4))
    return {"Lion/1.jpg": first, "Lion/cub/2.jpg": second, "Tiger/3.jpg": third, "top.jpg": fourth}


def everything(project_id: int) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], dict[object, int]]:
    """The state that imports leave, without ids and times."""
    with read() as session:
        images = session.execute(
            select(Image.sha256, Image.state, Image.class_id, Image.file_name, Image.is_representative)
            .where(Image.project_id == project_id)
            .order_by(Image.sha256)
        )
        sources = session.execute(
            select(ImageSource.batch_id, ImageSource.name).order_by(ImageSource.batch_id, ImageSource.name)
        )
        kept = kept_counts(session, project_id)
        assert kept == recount(session, project_id)
        return [tuple(row) for row in images], [tuple(row) for row in sources], dict(kept)


def test_a_folder_gives_classes_sub_classes_and_the_pool_and_the_same_folder_twice_adds_nothing(
    place: Workplace, tmp_path: Path
):
    folder = write_files(tmp_path / "zoo", real_files())
    run = do_import(place.project_id, folder, user_id=place.ann)
    assert (run.state, figures(run.result)) == (RunState.SUCCEEDED, {"added": 4, "labelled": 3})
    with read() as session:
        assert image_named(session, place.project_id, "2.jpg").sub_class_id == place.cub
        assert image_named(session, place.project_id, "3.jpg").class_id == place.tiger
        assert image_named(session, place.project_id, "top.jpg").state == "pool"
    before = everything(place.project_id)
    again = do_import(place.project_id, folder, user_id=place.ann)
    assert figures(again.result) == {"known": 4}
    after = everything(place.project_id)
    assert (after[0], after[2]) == (before[0], before[2])
    assert [name for _, name in after[1]] == sorted(real_files()) * 2


def test_originals_are_kept_byte_for_byte(place: Workplace, tmp_path: Path):
    do_import(place.project_id, write_files(tmp_path / "zoo", real_files()))
    for content in real_files().values():
        assert get_storage().get_blob(digest_of(content)) == content


def test_every_hostile_file_is_quarantined_with_its_reason_and_the_rest_goes_on(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WINNOW_MAX_UPLOAD_BYTES", "200000")
    get_settings.cache_clear()
    bad = {
        "empty.jpg": (b"", "at least one byte"),
        "truncated.jpg": (photos.truncated(), "ends early"),
        "bomb.png": (photos.png_bomb(), "60,000 x 60,000"),
        "bomb.jpg": (photos.jpeg_bomb(), "65,500 x 65,500"),
        "notes.txt": (b"milk and eggs", "none of them"),
        "huge.jpg": (bytes(200_001), "at most 200,000 bytes; this one has 200,001"),
        **{name: (content, "Winnow reads JPEG") for name, content in photos.disguised().items()},
    }
    files = {f"Lion/{name}": content for name, (content, _) in bad.items()}
    run = do_import(place.project_id, write_files(tmp_path / "zoo", files | {"Lion/fine.jpg": photos.photo()}))
    assert figures(run.result) == {"added": 1, "quarantined": len(bad), "labelled": 1}
    with read() as session:
        for name, (content, reason) in bad.items():
            image = image_named(session, place.project_id, name)
            assert (image.state, image.class_id) == ("quarantined", None)
            assert reason in (image.quarantine_reason or ""), name
            assert image.sha256 == digest_of(content)
            assert get_storage().blob_path(image.sha256).exists() == (name != "huge.jpg")


def test_links_and_unreadable_members_are_skipped_with_the_reason(place: Workplace, tmp_path: Path):
    path = tmp_path / "zoo.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        made.writestr("Lion/1.jpg", photos.photo(1))
        made.writestr("Lion/broken.jpg", photos.photo(2))
        made.writestr("../escape.jpg", photos.photo(3))
    content = bytearray(path.read_bytes())
    content[content.find(photos.photo(2)) + 500] ^= 0xFF
    path.write_bytes(content)
    run = do_import(place.project_id, path, kind="zip")
    assert figures(run.result) == {"added": 1, "labelled": 1, "skipped": 2}
    assert run.result is not None
    reasons = {file["name"]: file["reason"] for file in run.result["skipped_files"]}
    assert reasons["../escape.jpg"] == "its name is not a plain relative path"
    assert "CRC" in reasons["Lion/broken.jpg"]


def test_a_csv_table_gives_labels_groups_and_metadata_and_is_no_picture(place: Workplace, tmp_path: Path):
    files = real_files()
    table = b"folder,file,class,sub_class,group,shop\nLion,,Lion,male,morning,north\n,top.jpg,Bear,,,\n"
    folder = write_files(tmp_path / "zoo", files | {"labels.csv": table})
    run = do_import(place.project_id, folder, format="csv", origin="staged")
    assert figures(run.result) == {"added": 4, "labelled": 3}
    with read() as session:
        one, two = (image_named(session, place.project_id, name) for name in ("1.jpg", "2.jpg"))
        top, three = (image_named(session, place.project_id, name) for name in ("top.jpg", "3.jpg"))
        said = metadata_of(session, one.id)
    assert one.capture_group_id == two.capture_group_id is not None
    assert (one.class_id, one.sub_class_id, said) == (place.lion, place.male, {"shop": "north"})
    assert (top.class_id, three.state, three.origin) == (place.bear, "pool", "staged")


def test_a_csv_table_elsewhere_and_a_missing_one(place: Workplace, tmp_path: Path):
    folder = write_files(tmp_path / "zoo", real_files())
    table = tmp_path / "labels.csv"
    table.write_text("folder,class\nTiger,Bear\n")
    run = do_import(place.project_id, folder, format="csv", labels_path=str(table))
    assert figures(run.result) == {"added": 4, "labelled": 1}
    missing = do_import(place.project_id, folder, format="csv")
    assert (missing.state, missing.error_code) == (RunState.FAILED, "invalid")
    assert "no file ending in .csv" in (missing.error_message or "")


def test_an_unlabelled_import_fills_the_pool(place: Workplace, tmp_path: Path):
    run = do_import(place.project_id, write_files(tmp_path / "zoo", real_files()), format="unlabelled")
    assert figures(run.result) == {"added": 4}


def stage(project_id: int, files: dict[str, bytes]) -> str:
    upload_id = uploads.open_upload(project_id)
    folder = uploads.upload_folder(upload_id, project_id)
    for name, content in files.items():
        with uploads.StagedWriter(folder, name=name, max_bytes=10**9) as writer:
            writer.write(content)
    return upload_id


def test_an_upload_is_imported_and_its_staging_place_goes_away(place: Workplace):
    files = real_files()
    upload_id = stage(place.project_id, files)
    staged = uploads.upload_folder(upload_id, place.project_id)
    with pytest.raises(TooLarge), uploads.StagedWriter(staged, name="half.jpg", max_bytes=10) as half:
        half.write(b"never arrives whole")
    run = do_import(place.project_id, upload_id, kind="upload")
    assert figures(run.result) == {"added": 4, "labelled": 3}
    assert not staged.exists()


def test_one_uploaded_zip_is_opened(place: Workplace, tmp_path: Path):
    path = tmp_path / "zoo.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, content in real_files().items():
            made.writestr(f"zoo/{name}", content)
    run = do_import(place.project_id, stage(place.project_id, {"zoo.zip": path.read_bytes()}), kind="upload")
    assert figures(run.result) == {"added": 4, "labelled": 3}
    with read() as session:
        assert session.scalars(select(ImportBatch.name)).one() == "zoo.zip"


def test_an_upload_to_another_project_or_of_nothing_is_refused(place: Workplace):
    with pytest.raises(NotFound):
        ask_import(place.project_id, stage(place.project_id + 1, real_files()), kind="upload")
    with pytest.raises(NotFound):
        ask_import(place.project_id, "../blobs", kind="upload")
    with pytest.raises(InvalidInput, match="at least one file"):
        ask_import(place.project_id, stage(place.project_id, {}), kind="upload")


class Killed(BaseException):
    """Stands for a process that ends at this very point."""


def die_after(chunks: int) -> Callable[[RunContext], None]:
    """The work of an import that ends in the middle of a chunk's transaction, after some chunks were recorded."""
    taken = 0

    def label(session: Session, batch: ImportBatch, rows: Sequence[LabelRow]) -> None:
        nonlocal taken
        taken += 1
        if taken > chunks:
            raise Killed
        label_imported(session, batch.project_id, None, rows, batch_id=batch.id)

    return lambda context: importing.import_files(context, open_labels=open_labels, label_imported=label)


@pytest.mark.parametrize("chunks", [0, 1])
def test_a_killed_import_is_taken_up_again_and_ends_as_an_undisturbed_one(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunks: int
):
    monkeypatch.setattr(importing, "CHUNK_FILES", 2)
    with write() as session:
        undisturbed = labelling.workplace(session, "Undisturbed")
    folder = write_files(tmp_path / "zoo", real_files() | {"Lion/bad.jpg": photos.truncated()})
    asked = ask_import(place.project_id, folder)
    with pytest.raises(Killed):
        execute_run(asked.run_id, die_after(chunks))
    with write() as session:
        requeue(session, session.get_one(Run, asked.run_id), reason="its worker was killed")
    execute_run(asked.run_id, run_import)
    assert get_run(asked.run_id).state == RunState.SUCCEEDED
    do_import(undisturbed.project_id, folder)
    ours, theirs = everything(place.project_id), everything(undisturbed.project_id)
    assert len(ours[0]) == len(theirs[0]) == 5
    assert [row[:2] for row in ours[0]] == [row[:2] for row in theirs[0]]


def test_a_cancelled_import_keeps_what_it_has_and_can_be_resumed(place: Workplace, tmp_path: Path):
    folder = write_files(tmp_path / "zoo", real_files())
    asked = ask_import(place.project_id, folder)
    with write() as session:
        request_cancel(session, asked.run_id, place.project_id)
    execute_run(asked.run_id, run_import)
    assert get_run(asked.run_id).state == RunState.CANCELLED
    with write() as session:
        resume(session, asked.run_id, place.project_id)
    execute_run(asked.run_id, run_import)
    assert figures(get_run(asked.run_id).result) == {"added": 4, "labelled": 3}


def test_the_web_app_imports_from_its_roots_only(place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_files(tmp_path / "root", {"zoo/1.jpg": b"x", "labels.csv": b"file,class\n"})
    outside = write_files(tmp_path / "outside", {"1.jpg": b"x"})
    (root / "way out").symlink_to(outside, target_is_directory=True)
    monkeypatch.setenv("WINNOW_IMPORT_ROOTS", f'["{root}"]')
    get_settings.cache_clear()

    def ask(path: str, **values: str) -> int:
        request = ImportRequest.model_validate({"kind": "folder", "path": path, **values})
        with write() as session:
            return request_import(session, project_id=place.project_id, user_id=None, request=request).run_id

    assert get_run(ask(f"{root}/zoo")).parameters["path"] == str(root / "zoo")
    for path in (str(outside), f"{root}/way out", f"{root}/../outside", "/etc", f"{root}x", "."):
        with pytest.raises(Forbidden):
            ask(path)
    with pytest.raises(Forbidden):
        ask(f"{root}/zoo", format="csv", labels_path="/etc/passwd")
    with pytest.raises(InvalidInput, match="is no folder"):
        ask(f"{root}/none")
    with pytest.raises(InvalidInput, match="zero byte"):
        ask(f"{root}/\0")


def test_a_source_that_is_gone_fails_the_run_in_words(place: Workplace, tmp_path: Path):
    folder = write_files(tmp_path / "zoo", real_files())
    asked = ask_import(place.project_id, folder)
    folder.rename(tmp_path / "moved")
    execute_run(asked.run_id, run_import)
    run = get_run(asked.run_id)
    assert (run.state, run.error_message) == (RunState.FAILED, "the folder 'zoo' is no longer there")


def test_uploads_that_nobody_finished_are_swept_after_two_weeks(place: Workplace):
    old = uploads.upload_folder(stage(place.project_id, real_files()), place.project_id)
    long_ago = now().timestamp() - 15 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    uploads.open_upload(place.project_id)
    assert not old.exists()


def test_near_duplicates_of_one_import_form_a_group(place: Workplace, tmp_path: Path):
    photo = photos.photos(1)[0]
    again = photos.encode(photo.image, "JPEG", quality=60)
    do_import(place.project_id, write_files(tmp_path / "zoo", {"a.jpg": photo.image_bytes, "b.jpg": again}))
    with read() as session:
        standing = session.scalar(select(func.count()).where(Image.is_representative))
        groups = session.scalars(select(Image.duplicate_group_id)).all()
    assert standing == 1
    assert len(set(groups)) == 1
    assert groups[0] is not None
