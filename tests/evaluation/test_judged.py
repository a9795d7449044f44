"""Judged images by page and filter: nothing is lost between pages, and the filter is a closed list."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.core.database import read, write
from app.core.errors import InvalidInput, NotFound
from app.evaluation.judged import Judged, JudgedPage, judged_page
from app.evaluation.queries import (
    class_lines,
    class_names,
    confused_pairs,
    confusion_cells,
    confusion_matrix,
    get_evaluation,
    subset_lines,
)
from app.evaluation.schemas import JudgedFilter
from app.registry.queries import get_version
from tests.factories.datasets import make_images
from tests.factories.evaluation import answers, benchmark_set, evaluated
from tests.factories.registry import TinyVersion, make_classes, tiny_version
from tests.factories.runs import any_project

pytestmark = pytest.mark.usefixtures("installation")


@dataclass(frozen=True)
class Place:
    """Ten test images: six apples (two taken for pears), three pears, one of no known class, answered."""

    project_id: int
    version: TinyVersion
    other: TinyVersion
    ids: list[int]
    apple: int
    pear: int


@pytest.fixture
def place(installation: object) -> Place:  # noqa: ARG001 - must exist first
    with write() as session:
        project_id = any_project(session)
    version, other = (tiny_version(project_id, ["Apple", "Pear"], seed=seed) for seed in (1, 2))
    apple, pear = version.class_ids
    with write() as session:
        ids = make_images(session, project_id, 10, apple)
    said = answers(ids[:2], apple, pear, 0.7) + answers(ids[2:6], apple, apple, 0.9) + answers(ids[6:9], pear, pear)
    evaluated(project_id, version, {"test": said + answers(ids[9:], 0, pear, 0.95)})
    evaluated(project_id, other, {"test": answers(ids[1:6], apple, apple) + answers(ids[6:9], pear, apple, 0.5)})
    return Place(project_id, version, other, ids, apple, pear)


def found(place: Place, *, after: str | None = None, limit: int = 96, **wanted: object) -> JudgedPage:
    with read() as session:
        evaluation = get_evaluation(session, place.version.id, "test")
        other = get_evaluation(session, place.other.id, "test") if "outcome" in wanted else None
        chosen = JudgedFilter.model_validate(wanted)
        return judged_page(session, evaluation, chosen, other=other, after=after, limit=limit)


def ids_of(images: list[Judged]) -> set[int]:
    return {image.image_id for image in images}


@pytest.mark.parametrize("limit", [1, 3, 10])
def test_every_image_is_shown_once_wrong_ones_first(place: Place, limit: int):
    shown: list[Judged] = []
    after = None
    while True:
        page = found(place, after=after, limit=limit)
        assert page.total == 10
        shown += page.images
        after = page.after
        if after is None:
            break
    assert sorted(each.image_id for each in shown) == place.ids
    assert [each.is_right for each in shown] == [False] * 3 + [True] * 7
    assert shown[0].image_id == place.ids[9]
    assert [each.confidence for each in shown[3:]] == sorted((each.confidence for each in shown[3:]), reverse=True)


def test_filters_by_right_by_cell_and_by_class(place: Place):
    ids, apple, pear = place.ids, place.apple, place.pear
    assert ids_of(found(place, show="wrong").images) == {*ids[:2], ids[9]}
    assert ids_of(found(place, show="right").images) == set(ids[2:9])
    assert ids_of(found(place, true=apple, predicted=pear).images) == set(ids[:2])
    assert ids_of(found(place, true=0).images) == {ids[9]}
    assert ids_of(found(place, class_id=pear).images) == {*ids[:2], *ids[6:]}
    assert found(place, true=pear, show="wrong").total == 0


def test_outcomes_against_another_version_count_only_what_both_judged(place: Place):
    ids = place.ids
    assert ids_of(found(place, outcome="fixed").images) == set(ids[6:9])
    assert ids_of(found(place, outcome="broken").images) == {ids[1]}
    assert ids_of(found(place, outcome="still_right").images) == set(ids[2:6])
    assert found(place, outcome="still_wrong").images == []
    (fixed, *_) = found(place, outcome="fixed").images
    assert (fixed.other_predicted_id, fixed.other_confidence) == (place.apple, 0.5)
    with read() as session, pytest.raises(InvalidInput):
        judged_page(session, get_evaluation(session, place.version.id, "test"), JudgedFilter(outcome="fixed"))


@pytest.mark.parametrize(
    "cursor", ["", "x", "1:2", "2:0.5:1", "1:nan:1", "1:0.5:-1", "1:0.5:1:1", "1:0.5:9" + "9" * 30]
)
def test_a_cursor_that_is_none_of_ours_is_refused(place: Place, cursor: str):
    with pytest.raises(InvalidInput):
        found(place, after=cursor)


@pytest.mark.parametrize(
    "query",
    [
        {"subset": "benchmark:x"},
        {"subset": "test;"},
        {"show": "both"},
        {"true": "-1"},
        {"predicted": "a"},
        {"outcome": "x"},
    ],
)
def test_a_filter_outside_the_closed_list_is_refused(query: dict[str, str]):
    with pytest.raises(InvalidInput, match=next(iter(query))):
        JudgedFilter.from_query(query)


def test_a_filter_survives_its_address():
    wanted = JudgedFilter.from_query(
        {"subset": "benchmark:3", "true": "0", "show": "wrong", "page": "7", "predicted": ""}
    )
    address = wanted.address("/x", after="1:0.5:3")
    assert address == "/x?subset=benchmark%3A3&show=wrong&true=0&after=1%3A0.5%3A3"
    assert wanted.address("/x", subset="test", true=None, show="all") == "/x"


def test_an_image_tells_what_it_is_what_it_was_taken_for_and_what_it_is_now(place: Place):
    current = {place.apple: "Apple", place.pear: "Pear"}
    names = {0: "not in the model", **current}
    by_id = {each.image_id: each for each in found(place).images}
    wrong, strange, pear = by_id[place.ids[0]], by_id[place.ids[9]], by_id[place.ids[6]]
    assert (wrong.truth(names, current), wrong.badges(names, current, None, {})) == ("Apple", [("→ Pear", "bad")])
    assert strange.truth(names, current) == "none of the classes"
    assert strange.badges(names, current, None, {}) == [("→ Pear", "bad"), ("not in model", "")]
    assert pear.badges(names, current, None, {}) == [("now Apple", "warn")]


def test_the_truth_of_a_benchmark_image_is_named_even_where_the_version_does_not_know_it(place: Place):
    with write() as session:
        (kiwi,) = make_classes(session, place.project_id, ["Kiwi"])
    set_id, ids = benchmark_set(place.project_id, 1, kiwi)
    evaluated(place.project_id, place.version, {f"benchmark:{set_id}": answers(ids, 0, place.pear, 0.5)})
    with read() as session:
        evaluation = get_evaluation(session, place.version.id, f"benchmark:{set_id}")
        (image,) = judged_page(session, evaluation, JudgedFilter(subset=f"benchmark:{set_id}")).images
    assert (image.settled_id, image.is_right) == (kiwi, True)
    assert image.truth({0: "not in the model"}, {kiwi: "Kiwi"}) == "Kiwi"


def test_the_matrix_and_the_pairs_agree_with_the_images(place: Place):
    with read() as session:
        evaluation = get_evaluation(session, place.version.id, "test")
        cells, names = confusion_cells(session, evaluation.id), class_names(session, place.version.id)
    matrix = confusion_matrix(cells, names)
    assert (matrix.class_ids, matrix.images) == ([place.apple, place.pear], [[4, 2], [0, 3]])
    pairs = confused_pairs(cells, names)
    assert [(each.true_name, each.predicted_name, each.images, each.of) for each in pairs] == [
        ("Apple", "Pear", 2, 6),
        ("not in the model", "Pear", 1, 1),
    ]
    assert [each.true_id for each in confused_pairs(cells, names, text="APPLE ")] == [place.apple]
    assert confused_pairs(cells, names, text="kiwi") == []


def test_figures_by_class_and_what_was_not_measured(place: Place):
    with read() as session:
        version = get_version(session, place.version.id)
        lines = class_lines(session, version, get_evaluation(session, version.id, "test"))
        names = [each.name for each in subset_lines(session, version)]
        with pytest.raises(NotFound):
            get_evaluation(session, version.id, "train")
    apple, pear = lines
    assert (apple.images, apple.predicted, apple.correct, apple.is_measured) == (6, 4, 4, True)
    assert (apple.precision, round(apple.recall.value, 3), apple.f1) == (1.0, 0.667, 0.8)
    assert (pear.images, pear.predicted, pear.correct) == (3, 5, 3)
    assert names == ["test", "validation"]
