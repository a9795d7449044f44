"""An import is looked at before it begins: what is found, what is proposed, what a person chooses, go or give up."""

import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.clock import now
from app.core.database import read, write
from app.core.errors import Conflict, Forbidden, NotFound
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.exchange import previews
from app.exchange.mapping import KnownNames
from app.exchange.queries import get_preview, open_previews
from app.labelling.models import ClassAlias
from app.library.class_names import class_names
from app.library.models import Image, ImportBatch
from app.library.schemas import MappedLabel
from tests.factories import labelling
from tests.factories.exchange import look_again, looked_at, staged
from tests.factories.labelling import Workplace
from tests.factories.library import image_named, write_files
from tests.photos import photos
from worker.execution import execute_run
from worker.tasks.library import run_import


@pytest.fixture
def place(installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:  # noqa: ARG001 - must exist first
    """A project with the classes Lion (male, cub) and Tiger, whose pages may import from the test's folder."""
    monkeypatch.setenv("WINNOW_DECODE_WORKERS", "1")
    monkeypatch.setenv("WINNOW_IMPORT_ROOTS", f'["{tmp_path}"]')
    get_settings.cache_clear()
    with write() as session:
        return labelling.workplace(session)


def zoo(folder: Path) -> Path:
    one, two, three, four = (photo.image_bytes for photo in photos(4))
    files = {"LION/cub/1.jpg": one, "Tigers/2.jpg": two, "Zebra/3.jpg": three, "4.jpg": four, "notes.txt": b""}
    return write_files(folder, files)


def begin(project_id: int, preview_id: int) -> ImportBatch:
    """Go, and do the import."""
    batch_id = previews.start(preview_id, project_id, user_id=None)
    with read() as session:
        run_id = session.get_one(ImportBatch, batch_id).run_id
    execute_run(run_id or 0, run_import)
    with read() as session:
        return session.get_one(ImportBatch, batch_id)


def test_a_look_tells_format_classes_problems_and_takes_nothing(place: Workplace, tmp_path: Path):
    _, found = looked_at(place.project_id, zoo(tmp_path / "zoo"))
    assert found is not None
    assert (found.format, found.files, found.labelled, found.empty) == ("folders", 5, 3, 1)
    assert found.byte_count == sum(
        path.stat().st_size for path in tmp_path.rglob("*") if path.is_file() and "zoo" in path.parts
    )
    assert found.other_names == {".txt": 1}
    proposals = {one.name: (one.files, one.sub_classes, one.proposed, one.likeness) for one in found.classes}
    assert proposals["LION"] == (1, [("cub", 1)], "Lion", "case")
    assert proposals["Tigers"] == (1, [], "Tiger", "spelling")
    assert proposals["Zebra"] == (1, [], "Zebra", "new")
    with read() as session:
        assert session.scalars(select(Image.id)).all() == []
        assert session.scalars(select(ImportBatch.id)).all() == []


def test_names_are_matched_by_case_alias_and_one_slip_but_never_by_a_digit():
    known = KnownNames(["Lion", "Tiger", "site 1", "cat"], {"panthera leo": "Lion"})
    assert [known.propose(name).likeness for name in ("Lion", "lion", "Panthera Leo")] == ["same", "case", "alias"]
    near = {name: known.propose(name).class_name for name in ("Lions", "Lino", "Tigre", "ti-ger", "L i o n")}
    assert near == {"Lions": "Lion", "Lino": "Lion", "Tigre": "Tiger", "ti-ger": "Tiger", "L i o n": "Lion"}
    for other in ("site 2", "bat", "Panther", "lynx"):
        assert known.propose(other).likeness == "new", other


def test_choices_decide_what_the_import_makes_of_each_class(place: Workplace, tmp_path: Path):
    preview, _ = looked_at(place.project_id, zoo(tmp_path / "zoo"))
    with write() as session:
        chosen = previews.Choices.model_validate(
            {
                "class_map": {
                    "LION": {"class_name": "Lion"},
                    "Tigers": {"class_name": None},
                    "Zebra": {"class_name": "Horse", "sub_class_name": "striped"},
                },
                "groups": "folders:1",
                "name": "The zoo",
                "origin": "staged",
            }
        )
        assert not previews.save_choices(session, preview.id, place.project_id, chosen)
    batch = begin(place.project_id, preview.id)
    assert (batch.name, batch.origin, batch.added, batch.labelled) == ("The zoo", "staged", 4, 2)
    with read() as session:
        one, two, three = (image_named(session, place.project_id, f"{number}.jpg") for number in (1, 2, 3))
        assert (one.class_id, one.sub_class_id, two.state) == (place.lion, place.cub, "pool")
        assert class_names(session, place.project_id)[three.class_id or 0] == "Horse"
        assert None not in {one.capture_group_id, two.capture_group_id}
        assert one.capture_group_id != two.capture_group_id
    assert previews.start(preview.id, place.project_id, user_id=None) == batch.id


def test_an_alias_is_proposed_and_another_format_is_looked_at_anew(place: Workplace, tmp_path: Path):
    with write() as session:
        session.add(ClassAlias(project_id=place.project_id, class_id=place.lion, name="Simba"))
    one, two = (photo.image_bytes for photo in photos(2))
    table = b"file,class,shop\na/1.jpg,Simba,north\n"
    folder = write_files(tmp_path / "zoo", {"a/1.jpg": one, "a/2.jpg": two, "labels.csv": table})
    preview, found = looked_at(place.project_id, folder)
    assert found is not None
    assert (found.format, found.files, found.labelled) == ("csv", 2, 1)
    assert [(one.name, one.proposed, one.likeness) for one in found.classes] == [("Simba", "Lion", "alias")]
    assert [(column.name, column.files, column.samples) for column in found.columns] == [("shop", 1, ["north"])]
    assert preview.request["class_map"] == {"Simba": {"class_name": "Lion", "sub_class_name": None}}
    with write() as session:
        assert previews.save_choices(session, preview.id, place.project_id, previews.Choices(format="folders"))
    with pytest.raises(Conflict, match="has not been yet"):
        previews.start(preview.id, place.project_id, user_id=None)
    again, found = look_again(place.project_id, preview.id)
    assert found is not None
    assert (again.request["class_map"], [one.name for one in found.classes]) == ({}, ["a"])


def test_what_is_known_by_its_bytes_is_told(place: Workplace, tmp_path: Path):
    preview, _ = looked_at(place.project_id, zoo(tmp_path / "zoo"))
    begin(place.project_id, preview.id)
    _, found = looked_at(place.project_id, tmp_path / "zoo")
    assert found is not None
    assert (found.compared, found.known) == (5, 5)


def test_giving_up_removes_what_was_sent_and_ends_the_preview(place: Workplace):
    upload_id = staged(place.project_id, {"Lion/1.jpg": photos(1)[0].image_bytes})
    preview, _ = looked_at(place.project_id, upload_id, kind="upload")
    with write() as session:
        previews.give_up(session, preview.id, place.project_id)
    assert not (get_storage().root / "uploads" / upload_id).exists()
    with pytest.raises(NotFound, match="no upload"):
        previews.start(preview.id, place.project_id, user_id=None)
    with pytest.raises(Conflict, match="given up"):
        _give_up(place.project_id, preview.id)
    with read() as session:
        assert open_previews(session, place.project_id) == []


def _give_up(project_id: int, preview_id: int) -> None:
    with write() as session:
        previews.give_up(session, preview_id, project_id)


def test_previews_that_nobody_touched_are_swept(place: Workplace):
    old = staged(place.project_id, {"Lion/1.jpg": photos(1)[0].image_bytes})
    preview, _ = looked_at(place.project_id, old, kind="upload")
    with write() as session:
        get_preview(session, preview.id, place.project_id).touched_at = now() - timedelta(days=previews.KEPT_DAYS + 1)
    fresh, _ = looked_at(place.project_id, staged(place.project_id, {"a.jpg": b"x"}), kind="upload")
    with read() as session:
        assert [one.id for one in open_previews(session, place.project_id)] == [fresh.id]
    assert not (get_storage().root / "uploads" / old).exists()


def test_a_link_that_leads_out_by_now_is_refused_at_the_start(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "root"
    monkeypatch.setenv("WINNOW_IMPORT_ROOTS", f'["{root}"]')
    get_settings.cache_clear()
    preview, _ = looked_at(place.project_id, zoo(root / "zoo"))
    (root / "zoo").rename(tmp_path / "elsewhere")
    (root / "zoo").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Forbidden, match="configured folders"):
        previews.start(preview.id, place.project_id, user_id=None)
    with read() as session:
        assert session.scalars(select(ImportBatch.id)).all() == []


def test_a_hostile_archive_is_refused_by_the_look_already(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WINNOW_MAX_ARCHIVE_BYTES", "100000")
    get_settings.cache_clear()
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Lion/1.jpg", bytes(10**6))
    preview, found = looked_at(place.project_id, tmp_path / "bomb.zip", kind="zip")
    assert found is None
    with read() as session:
        run = previews.get_run(session, preview.run_id or 0, place.project_id)
    assert (run.state, run.error_message or "") == (
        "failed",
        "an archive may unpack to at most 100,000 bytes; this one says 1,000,000",
    )


def test_a_mapped_class_keeps_its_sub_classes_unless_they_are_left_out(place: Workplace, tmp_path: Path):
    preview, _ = looked_at(place.project_id, zoo(tmp_path / "zoo"))
    assert preview.request["class_map"]["LION"] == MappedLabel(class_name="Lion").model_dump()
    with write() as session:
        previews.save_choices(session, preview.id, place.project_id, previews.Choices(keep_sub_classes=False))
    begin(place.project_id, preview.id)
    with read() as session:
        lion = image_named(session, place.project_id, "1.jpg")
        assert (lion.class_id, lion.sub_class_id) == (place.lion, None)
