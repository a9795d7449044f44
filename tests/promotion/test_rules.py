"""Each rule of the gate: when it fails, when it cannot tell, and the figures it states."""

from __future__ import annotations

import pytest

from app.promotion.rules import (
    Finding,
    Measured,
    Paired,
    Verdict,
    enough_clean_images,
    false_answers,
    floors,
    listed,
    no_class_lost,
    no_set_worse,
    overall,
    worst_first,
)


def on_set(right: int, images: int, classes: list[tuple[str, int, int]] | None = None, **values: int) -> Measured:
    rest = {"exposed": 0, "strange_answered": 0, "strange": 0, **values}
    return Measured("Field", right, images, rest["exposed"], classes or [], rest["strange_answered"], rest["strange"])


def pair(images: int, fixed: int, broken: int, left_out: int = 0) -> Paired:
    return Paired("Field", 1, images, fixed, broken, 5, left_out)


@pytest.mark.parametrize(
    ("compared", "verdict", "words"),
    [
        (pair(1000, 0, 0), Verdict.PASSED, "smallest drop it could have seen 0.8%"),
        (pair(1000, 30, 20), Verdict.PASSED, "30 fixed, 20 broken, 5 still wrong"),
        (pair(1000, 10, 30), Verdict.FAILED, "Significantly worse, by 2.0%"),
        (pair(60, 0, 0), Verdict.NOT_PROVEN, "Too few images to exclude a drop of 3%"),
        (pair(60, 0, 8), Verdict.FAILED, "Significantly worse, by 13.3%"),
        (pair(60, 8, 0), Verdict.PASSED, "Significantly better, by 13.3%"),
        (pair(60, 3, 0), Verdict.NOT_PROVEN, "Too few images to exclude a drop of 3%"),
        (pair(0, 0, 0), Verdict.NOT_PROVEN, "0 images"),
        (pair(1000, 2, 1, left_out=7), Verdict.PASSED, "7 left out"),
    ],
)
def test_no_set_may_be_worse_and_too_small_a_set_proves_nothing(compared: Paired, verdict: Verdict, words: str):
    finding = no_set_worse(compared)
    assert finding.verdict == verdict
    assert words in finding.says


def test_a_set_or_class_below_its_floor_fails_by_name_and_unmeasured_classes_are_listed():
    good = floors([on_set(80, 100, [("Apple", 40, 50), ("Kiwi", 0, 0)])])
    assert [each.verdict for each in good] == [Verdict.PASSED, Verdict.PASSED]
    assert "80.0% right on 100 images (71.1% to 86.7%)" in good[0].says
    assert "1 of 1 measured hold. Not measured: Kiwi." in good[1].says
    bad = floors([on_set(30, 100, [("Apple", 28, 50), ("Pear", 2, 50)])])
    assert [each.verdict for each in bad] == [Verdict.FAILED, Verdict.FAILED]
    assert "Below: Pear on Field: 2 of 50." in bad[1].says


def test_one_miss_of_a_few_is_no_evidence_against_a_class():
    found = floors([on_set(90, 100, [("Apple", 0, 3)])])
    assert found[-1].verdict == Verdict.PASSED


def test_without_a_set_the_floors_are_not_measured_and_nothing_is_held_against_the_version():
    (only,) = floors([])
    assert only.verdict == Verdict.PASSED
    assert only.says.startswith("Not measured")


@pytest.mark.parametrize(
    ("answered", "strange", "verdict"),
    [(0, 0, Verdict.PASSED), (10, 40, Verdict.PASSED), (30, 40, Verdict.FAILED), (1, 2, Verdict.PASSED)],
)
def test_false_answers_are_bounded(answered: int, strange: int, verdict: Verdict):
    finding = false_answers([on_set(0, 0, strange_answered=answered, strange=strange)])
    assert finding.verdict == verdict
    assert ("Not measured" in finding.says) == (strange == 0)
    assert ("too few to show" in finding.says) == (strange == 2)


def test_clean_images_are_counted_and_those_left_out_too():
    few = enough_clean_images([on_set(10, 20, exposed=4), on_set(2, 5)])
    assert (few.verdict, few.says.split(";")[0]) == (
        Verdict.NOT_PROVEN,
        "25 clean benchmark images, at least 30 needed",
    )
    assert "4 left out" in few.says
    assert enough_clean_images([on_set(10, 20, strange=10)]).verdict == Verdict.PASSED


def test_a_lost_class_fails_by_name():
    assert no_class_lost([]).verdict == Verdict.PASSED
    assert "Kiwi; Pear" in no_class_lost(["Kiwi", "Pear"]).says
    assert listed([str(each) for each in range(23)]).endswith("19 and 3 more")


def test_the_gate_is_as_good_as_its_worst_finding():
    passed, failed, open_ = (Finding("rule", verdict, "") for verdict in Verdict)
    assert overall([passed, failed, open_]) == Verdict.FAILED
    assert overall([Finding("", Verdict.NOT_PROVEN, ""), passed]) == Verdict.NOT_PROVEN
    assert overall([passed]) == Verdict.PASSED
    assert overall([]) == Verdict.PASSED
    assert worst_first([passed, open_, failed]) == [failed, open_, passed]
