"""Descriptions from strangers: names that lead elsewhere, two stories of one file, documents that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.core.errors import InvalidInput
from app.exchange.formats.plan import PROBLEMS_KEPT
from app.exchange.formats.registry import FORMATS, find_format, recognise
from tests.exchange.descriptions import listing

ELSEWHERE = ("../../etc/passwd", "..\\..\\secrets.jpg", "a/../../b.jpg", "/../x.jpg", "C:\\..\\x.jpg")


def document(form: str, names: list[str]) -> tuple[str, bytes]:
    """The smallest document of a format that labels these files."""
    label = {"result": [{"type": "choices", "value": {"choices": ["Lion"]}}]}
    made: dict[str, tuple[str, Any]] = {
        "coco": (
            "coco.json",
            {
                "images": [{"id": at, "file_name": name} for at, name in enumerate(names)],
                "annotations": [{"image_id": at, "category_id": 1} for at, _ in enumerate(names)],
                "categories": [{"id": 1, "name": "Lion"}],
            },
        ),
        "fiftyone": ("labels.json", {"labels": dict.fromkeys(names, "Lion")}),
        "label_studio": ("tasks.json", [{"data": {"image": name}, "annotations": [label]} for name in names]),
        "speciesnet_labels": (
            "predictions.json",
            {"predictions": [{"filepath": name, "prediction": "1;;;;;;Lion"} for name in names]},
        ),
    }
    if form in made:
        name, content = made[form]
        return name, json.dumps(content).encode()
    if form == "imagefolder":
        return "metadata.jsonl", b"\n".join(json.dumps({"file_name": n, "label": "Lion"}).encode() for n in names)
    return "labels.csv", ("file,class\n" + "".join(f'"{name}",Lion\n' for name in names)).encode()


DESCRIBED = ("coco", "fiftyone", "label_studio", "speciesnet_labels", "imagefolder", "csv")


@pytest.mark.parametrize("form", DESCRIBED)
def test_a_name_that_leads_elsewhere_is_passed_over_and_said(form: str):
    name, content = document(form, [*ELSEWHERE, "good.jpg"])
    plan = find_format(form).read(listing({name: content}, ["good.jpg", "data/good.jpg"]))
    assert all(".." not in file.name and not file.name.startswith("/") for file in plan.named())
    picture = "data/good.jpg" if form == "fiftyone" else "good.jpg"
    assert plan.planned(picture).label.class_name == "Lion"
    # A data set of FiftyOne names its files below data/ and cannot say where its folder lies.
    assert len(plan.problems) >= 3, plan.problems


@pytest.mark.parametrize("form", DESCRIBED)
def test_a_document_that_is_none_is_refused_with_its_name(form: str):
    name, content = document(form, ["a.jpg", "b.jpg"])
    for broken in (content[: len(content) - 9] + b"\xff\xfe\x00", b'{"labels": {' + b"[" * 100_000, b""):
        source = listing({name: broken})
        if form == "imagefolder" and broken == b"":
            assert list(find_format(form).read(source).named()) == []
            continue
        with pytest.raises(InvalidInput, match=r"JSON|CSV|there is no"):
            find_format(form).read(source)


def test_recognising_never_raises_whatever_the_files_hold():
    odd = {"a.json": b"\xff" * 9, "b.json": b"[" * 9999, "c.jsonl": b"{", "metadata.csv": b"", "labels.json": b"[]"}
    for one in FORMATS:
        one.recognises(listing(odd))
    assert recognise(listing({}, ["x/1.jpg"])).name == "folders"
    assert recognise(listing({}, ["1.jpg"])).name == "unlabelled"


def test_a_second_story_of_a_file_is_said_and_the_first_one_counts():
    table = b"file,class\na.jpg,Lion\na.jpg,Tiger\na.jpg,Lion\n"
    plan = find_format("csv").read(listing({"labels.csv": table}))
    assert plan.planned("a.jpg").label.class_name == "Lion"
    assert ["described twice" in problem for problem in plan.problems] == [True]


def test_problems_are_counted_but_only_some_are_kept():
    name, content = document("csv", [f"../{at}.jpg" for at in range(1000)])
    problems = find_format("csv").read(listing({name: content})).problems
    assert len(problems) == PROBLEMS_KEPT + 1
    assert problems[-1] == "and 960 more"


def test_annotations_that_disagree_or_are_several_are_said():
    both = [{"result": [{"type": "choices", "value": {"choices": [name]}}]} for name in ("Lion", "Tiger")]
    tasks = [{"data": {"image": "a.jpg"}, "annotations": [both[0], {**both[1], "was_cancelled": True}]}]
    tasks += [{"data": {"image": "b.jpg"}, "annotations": [{**both[0], "ground_truth": True}, both[1]]}]
    plan = find_format("label_studio").read(listing({"t.json": json.dumps(tasks).encode()}))
    assert [plan.planned(name).label.class_name for name in ("a.jpg", "b.jpg")] == ["Lion", "Lion"]
    assert ["differ" in problem for problem in plan.problems] == [True]

    coco = json.loads(document("coco", ["a.jpg"])[1])
    coco["categories"].append({"id": 2, "name": "Tiger", "supercategory": "cat"})
    coco["annotations"].append({"image_id": 0, "category_id": 2})
    plan = find_format("coco").read(listing({"c.json": json.dumps(coco).encode()}))
    assert plan.planned("a.jpg").label.class_name is None
    assert ["several categories" in problem for problem in plan.problems] == [True]


def test_supercategories_are_classes_only_where_they_must_be():
    flat = json.loads(document("coco", ["a.jpg"])[1])
    flat["categories"] = [{"id": 1, "name": "lion", "supercategory": "mammal"}]
    label = find_format("coco").read(listing({"c.json": json.dumps(flat).encode()})).planned("a.jpg").label
    assert (label.class_name, label.sub_class_name, label.metadata) == ("lion", None, {"supercategory": "mammal"})
    nested = flat | {"categories": [{"id": 1, "name": "cub", "supercategory": "lion"}, {"id": 2, "name": "lion"}]}
    label = find_format("coco").read(listing({"c.json": json.dumps(nested).encode()})).planned("a.jpg").label
    assert (label.class_name, label.sub_class_name, label.metadata) == ("lion", "cub", {})


def test_an_upload_of_label_studio_is_found_without_the_mark_before_its_name():
    choice = {"result": [{"type": "choices", "value": {"choices": ["Lion"]}}]}
    addresses = [
        "/data/upload/3/0a1b2c3d-cat%20one.jpg",
        "/data/local-files/?d=shelf/two.jpg",
        "s3://bucket/x/three.jpg",
    ]
    tasks = [{"data": {"image": address}, "annotations": [choice]} for address in addresses]
    pictures = ["cat one.jpg", "shelf/two.jpg", "three.jpg"]
    plan = find_format("label_studio").read(listing({"t.json": json.dumps(tasks).encode()}, pictures))
    assert [plan.planned(name).label.class_name for name in pictures] == ["Lion"] * 3
