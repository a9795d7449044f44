"""Taking files in: known bytes, labels, conflicts, quarantine; repeating it changes nothing."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.core.database import read, write
from app.core.storage import digest_of
from app.imaging.errors import Reason, Undecodable
from app.labelling.service import label_imported
from app.library.counts import CountKey, kept_counts, recount
from app.library.intake import take_in
from app.library.metadata import metadata_of
from app.library.models import Image, ImageMeasure, ImageSource, ImportBatch, LabelConflict, Origin
from app.library.schemas import Intake, IntakeFile
from app.library.service import change_images, settle_conflict
from tests.factories import labelling
from tests.factories.labelling import Workplace
from tests.factories.library import add_batch, intake_file, known_file
from tests.photos import photos


@pytest.fixture
def place(installation: Path) -> Workplace:  # noqa: ARG001 - must exist first
    with write() as session:
        return labelling.workplace(session)


def arrive(place: Workplace, batch_id: int | None, *files: IntakeFile) -> Intake:
    """Take files in and label them, as the import task does."""
    with write() as session:
        intake = take_in(session, project_id=place.project_id, batch_id=batch_id, origin=Origin.REAL, files=files)
        label_imported(session, place.project_id, place.ann, intake.to_label, batch_id=batch_id)
    return intake


def new_batch(place: Workplace) -> int:
    with write() as session:
        return add_batch(session, place.project_id)


def label_of(digest: str) -> tuple[str, int | None, int | None]:
    with read() as session:
        image = session.scalars(select(Image).where(Image.sha256 == digest)).one()
        return image.state, image.class_id, image.sub_class_id


def conflicts() -> list[tuple[str, str]]:
    with read() as session:
        rows = session.execute(
            select(LabelConflict.class_name, LabelConflict.sub_class_name).order_by(LabelConflict.id)
        )
        return [(name, sub) for name, sub in rows]


def test_new_pictures_are_added_with_measures_places_label_and_source(place: Workplace):
    photo = photos(1)[0].image_bytes
    file = intake_file("Lion/cub/1.jpg", photo, class_name="Lion", sub_class_name="cub", metadata={"by": "Ann"})
    intake = arrive(place, batch_id := new_batch(place), file)
    assert (intake.added, intake.known, intake.quarantined, intake.conflicts) == (1, 0, 0, 0)
    with read() as session:
        image = session.scalars(select(Image)).one()
        batch = session.get_one(ImportBatch, batch_id)
        source = session.scalars(select(ImageSource)).one()
        measured = session.scalars(select(ImageMeasure)).one()
        assert metadata_of(session, image.id) == {"by": "Ann"}
        assert kept_counts(session, place.project_id) == recount(session, place.project_id)
    assert (image.sha256, image.file_name, image.format) == (digest_of(photo), "1.jpg", "jpeg")
    assert (image.class_id, image.sub_class_id, image.source) == (place.lion, place.cub, "import")
    assert None not in (
        image.phash,
        measured.hash_3,
        measured.aspect,
        image.sharpness,
        image.rendition_length,
        image.thumbnail_pack,
    )
    assert (batch.added, batch.labelled) == (1, 1)
    assert (source.name, source.class_name, source.sub_class_name) == ("Lion/cub/1.jpg", "Lion", "cub")


def test_the_same_files_twice_in_one_import_change_nothing(place: Workplace):
    files = [intake_file(f"{n}.jpg", photo.image_bytes, class_name="Lion") for n, photo in enumerate(photos(3))]
    batch_id = new_batch(place)
    arrive(place, batch_id, *files)
    again = arrive(place, batch_id, *files)
    assert (again.added, again.known, again.to_label) == (0, 0, ())
    with read() as session:
        batch = session.get_one(ImportBatch, batch_id)
        assert (batch.added, batch.known, batch.labelled) == (3, 0, 3)
        assert session.scalar(select(func.count()).select_from(ImageSource)) == 3


def test_another_import_of_known_bytes_records_its_sources_and_adds_nothing(place: Workplace):
    photo = photos(1)[0].image_bytes
    arrive(place, new_batch(place), intake_file("a.jpg", photo))
    second = arrive(place, batch_id := new_batch(place), known_file("b.jpg", photo), known_file("c.jpg", photo))
    assert (second.added, second.known) == (0, 2)
    with read() as session:
        assert session.scalar(select(func.count()).select_from(Image)) == 1
        names = session.scalars(select(ImageSource.name).where(ImageSource.batch_id == batch_id))
        assert sorted(names) == ["b.jpg", "c.jpg"]


def test_equal_bytes_inside_one_import_are_one_image_with_the_first_label(place: Workplace):
    photo = photos(1)[0].image_bytes
    first = intake_file("Lion/1.jpg", photo, class_name="Lion")
    intake = arrive(place, new_batch(place), first, known_file("Tiger/1.jpg", photo, class_name="Tiger"))
    assert (intake.added, intake.known, intake.conflicts) == (1, 1, 1)
    assert label_of(first.digest)[:2] == ("labelled", place.lion)
    assert conflicts() == [("Tiger", "")]


def test_known_bytes_without_a_label_take_the_one_they_arrive_with(place: Workplace):
    file = intake_file("a.jpg", photos(1)[0].image_bytes)
    arrive(place, new_batch(place), file)
    assert label_of(file.digest) == ("pool", None, None)
    arrive(place, new_batch(place), known_file("Lion/a.jpg", photos(1)[0].image_bytes, class_name="Lion"))
    assert label_of(file.digest) == ("labelled", place.lion, None)
    assert conflicts() == []


@pytest.mark.parametrize(
    ("label", "opened"),
    [
        (("Lion", "cub"), []),
        (("Lion", None), []),
        (("LION", "Cub"), []),
        (("Lion", "male"), [("Lion", "male")]),
        (("Tiger", None), [("Tiger", "")]),
        ((None, None), []),
    ],
)
def test_known_bytes_under_another_label_open_a_conflict_and_change_nothing(
    place: Workplace, label: tuple[str | None, str | None], opened: list[tuple[str, str]]
):
    photo = photos(1)[0].image_bytes
    file = intake_file("a.jpg", photo, class_name="Lion", sub_class_name="cub")
    arrive(place, new_batch(place), file)
    for _ in range(2):
        intake = arrive(
            place, new_batch(place), known_file("b.jpg", photo, class_name=label[0], sub_class_name=label[1])
        )
    assert intake.conflicts == 0
    assert conflicts() == opened
    assert label_of(file.digest) == ("labelled", place.lion, place.cub)


@pytest.mark.parametrize(("state", "opened"), [("unknown", 1), ("none", 1), ("removed", 0)])
def test_what_a_person_settled_is_not_relabelled_by_an_import(place: Workplace, state: str, opened: int):
    photo = photos(1)[0].image_bytes
    file = intake_file("a.jpg", photo)
    image_id = arrive(place, new_batch(place), file).image_ids[file.digest]
    with write() as session:
        change_images(session, [image_id], project_id=place.project_id, state=state)
    arrive(place, new_batch(place), known_file("a.jpg", photo, class_name="Lion"))
    assert label_of(file.digest)[0] == state
    assert len(conflicts()) == opened


def test_a_label_that_a_person_has_corrected_since_is_no_conflict_when_the_folder_comes_again(place: Workplace):
    photo = photos(1)[0].image_bytes
    file = intake_file("a.jpg", photo, class_name="Lion")
    image_id = arrive(place, new_batch(place), file).image_ids[file.digest]
    with write() as session:
        change_images(session, [image_id], project_id=place.project_id, class_id=place.tiger)
    arrive(place, new_batch(place), known_file("a.jpg", photo, class_name="Lion"))
    assert conflicts() == []


def test_a_settled_conflict_is_closed_for_good(place: Workplace):
    photo = photos(1)[0].image_bytes
    arrive(place, new_batch(place), intake_file("a.jpg", photo, class_name="Lion"))
    arrive(place, new_batch(place), known_file("a.jpg", photo, class_name="Tiger"))
    with write() as session:
        conflict_id = session.scalars(select(LabelConflict.id)).one()
        settle_conflict(session, conflict_id, project_id=place.project_id, user_id=place.rita)
    arrive(place, new_batch(place), known_file("a.jpg", photo, class_name="Tiger"))
    with read() as session:
        conflict = session.scalars(select(LabelConflict)).one()
    assert (conflict.settled_by, conflict.settled_at is None) == (place.rita, False)


def test_what_cannot_be_decoded_is_quarantined_with_its_reason_and_keeps_no_label(place: Workplace):
    refusal = Undecodable(Reason.TRUNCATED, "An image file must be whole; this one ends early.")
    broken = IntakeFile(
        name="Lion/broken.jpg", digest=digest_of(b"x"), byte_count=1, undecodable=refusal, class_name="Lion"
    )
    fine = intake_file("Lion/fine.jpg", photos(1)[0].image_bytes, class_name="Lion")
    intake = arrive(place, new_batch(place), broken, fine)
    assert (intake.added, intake.quarantined, len(intake.to_label)) == (1, 1, 1)
    with read() as session:
        image = session.scalars(select(Image).where(Image.sha256 == broken.digest)).one()
        assert kept_counts(session, place.project_id)[CountKey(0, "quarantined", "real")] == 1
    assert (image.state, image.quarantine_reason) == ("quarantined", refusal.message)


def test_a_served_image_is_recorded_once_by_its_transaction(place: Workplace):
    photo = photos(1)[0].image_bytes
    first = intake_file("request", photo, transaction_id="01A")
    arrive(place, None, first)
    arrive(place, None, known_file("request", photo, transaction_id="01A"))
    arrive(place, None, known_file("request", photo, transaction_id="01B"))
    with read() as session:
        found = session.scalars(select(ImageSource.transaction_id).order_by(ImageSource.id)).all()
        assert session.scalar(select(func.count()).select_from(Image)) == 1
    assert found == ["01A", "01B"]


def test_bytes_of_one_project_are_new_to_another(place: Workplace):
    photo = photos(1)[0].image_bytes
    arrive(place, new_batch(place), intake_file("a.jpg", photo))
    with write() as session:
        other = labelling.workplace(session, "Other")
    assert arrive(other, new_batch(other), intake_file("a.jpg", photo)).added == 1


def test_unknown_bytes_must_come_decoded(place: Workplace):
    with pytest.raises(ValueError, match="must come decoded"):
        arrive(place, new_batch(place), known_file("a.jpg", b"never seen"))
