"""Each format: what we write we read again without loss, whatever classes and files are called."""

from __future__ import annotations

import csv
import io
import json
from pathlib import PurePosixPath

import pytest

from app.exchange.formats.registry import WRITERS, find_format, recognise
from app.exchange.formats.rows import ExportRow
from app.exchange.schemas import PlannedFile
from tests.exchange.descriptions import AWKWARD, described, listing, placed, rows_of

READ_BY = {"folders": "csv", "split_folders": "csv"}
ONE_WAY = {"parquet", "tfrecord"}
"""For training code; Winnow reads neither."""
EVERY_WRITER = pytest.mark.parametrize("name", sorted(WRITERS))


def told(file: PlannedFile) -> tuple[object, ...]:
    return (
        *(file.label.class_name, file.label.sub_class_name, file.label.group, dict(file.label.metadata)),
        *(file.state, file.quality, file.origin, file.rotation, file.is_small_subject, file.split, file.sha256),
    )


def meant(row: ExportRow) -> tuple[object, ...]:
    is_labelled = bool(row.class_name)
    return (
        *(" ".join(row.class_name.split()) or None, " ".join(row.sub_class.split()) or None),
        *(" ".join(row.group.split()) or None, dict(row.metadata)),
        *(None if is_labelled else row.state, row.quality or None, row.origin, row.rotation, row.small_subject),
        *(row.split or None, row.sha256),
    )


@pytest.mark.parametrize("name", sorted(WRITERS.keys() - ONE_WAY))
@pytest.mark.parametrize("prefix", ["", "some folder/"])
def test_what_is_written_is_recognised_and_read_again_without_loss(name: str, prefix: str):
    rows = placed(rows_of(AWKWARD), name)
    files = {f"{prefix}{file}": content for file, content in described(rows, name).items()}
    source = listing(files, [f"{prefix}{row.path}" for row in rows])
    form = recognise(source)
    assert form.name == READ_BY.get(name, name)
    plan = form.read(source)
    assert list(plan.problems) == []
    assert plan.describing <= set(files)
    for row in rows:
        assert told(plan.planned(f"{prefix}{row.path}")) == meant(row), row.path
    assert len(list(plan.named())) == len(rows)


@EVERY_WRITER
def test_every_place_in_an_archive_is_a_plain_relative_path_of_its_own(name: str):
    long = ["y" * 200, "é" * 200]
    rows = placed([*rows_of([*AWKWARD, *long]), *rows_of([*AWKWARD, *long])], name)
    assert len({row.path.casefold() for row in rows}) == len(rows)
    for row in rows:
        path = PurePosixPath(row.path)
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert not set(row.path) & set('\\:*?"<>|\n\t\0'), row.path
        assert all(len(part.encode()) <= 140 and part == part.strip(" .") for part in path.parts)
        assert path.suffix == ".jpg"


@pytest.mark.parametrize("name", ["label_studio", "speciesnet"])
def test_predictions_come_back_as_predictions(name: str):
    rows = placed(rows_of(["Lion", "Tiger; striped"]), name)
    source = listing(described(rows, name))
    plan = find_format(name).read(source)
    for row in rows[:2]:
        found = [(each.class_name, each.confidence, each.source) for each in plan.planned(row.path).predictions]
        assert found == [(row.class_name, 0.75, "v3"), ("other", 0.25, "v3")]


def test_a_class_that_another_tool_changed_wins_over_the_one_we_kept():
    rows = placed(rows_of(["Lion"]), "coco")
    files = described(rows, "coco")
    document = json.loads(files["coco.json"])
    document["categories"].append({"id": 99, "name": "Puma", "supercategory": ""})
    document["annotations"][0]["category_id"] = 99
    source = listing({"coco.json": json.dumps(document).encode()})
    said = recognise(source).read(source).planned(rows[0].path)
    assert (said.label.class_name, said.label.sub_class_name, said.quality) == ("Puma", None, "good")


def test_no_cell_of_a_table_is_a_formula_and_each_comes_back_as_it_was():
    names = ["=1+1", "+1", "-1", "@a", "'=1", "''@x", "＝1", "'plain"]
    rows = placed(rows_of(names), "csv")
    content = described(rows, "csv")["labels.csv"]
    cells = [cell for row in csv.reader(io.StringIO(content.decode())) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))]
    source = listing({"labels.csv": content})
    plan = recognise(source).read(source)
    assert [plan.planned(row.path).label.class_name for row in rows[: len(names)]] == names


def test_two_classes_whose_folders_would_be_one_get_two():
    rows = placed(rows_of(["a/b", "a\\b", "A_B", "_unlabelled", "labels.csv"]), "folders")
    folders = [row.path.split("/")[0].casefold() for row in rows]
    assert len(set(folders)) == 6
    assert folders[5:] == ["_unlabelled"] * 3


def test_a_foreign_document_with_fields_that_are_no_texts_breaks_nothing():
    odd = [None, 7, True, [], {}, "text", [[]], {"label": []}]
    documents = {
        "coco.json": {"images": odd, "annotations": odd, "categories": odd},
        "labels.json": {"classes": odd, "labels": {str(at): value for at, value in enumerate(odd)}, "winnow": {"0": 1}},
        "predictions.json": {"predictions": [*odd, {"filepath": "a.jpg", "classifications": 3, "prediction": 4}]},
        "tasks.json": [*odd, {"data": {"image": "x.jpg"}, "annotations": odd, "predictions": odd, "meta": odd}],
    }
    for name, form in zip(documents, ("coco", "fiftyone", "speciesnet_labels", "label_studio"), strict=True):
        padded = {**documents[name], "filepath": 1} if isinstance(documents[name], dict) else documents[name]
        content = json.dumps(padded).replace("[null", '[{"data":1,"annotations":2}, null', form == "label_studio")
        plan = find_format(form).read(listing({name: content.encode()}))
        assert all(file.name for file in plan.named())


def test_the_metadata_of_every_split_have_the_same_columns_of_the_same_types():
    """A loader that guesses types from values refuses splits that differ (seen with `datasets` 5.2)."""
    rows = placed(rows_of(["a", "b", "c", "d"]), "imagefolder")
    found = {}
    for name, content in described(rows, "imagefolder").items():
        for line in content.splitlines():
            found.setdefault(name, set()).add(tuple((key, type(value)) for key, value in json.loads(line).items()))
    assert len(found) == 3
    assert len(set.union(*found.values())) == 1
    assert type(None) not in {kind for columns in found.values() for column in columns for _, kind in column}
