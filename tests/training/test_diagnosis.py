"""Single rules of the diagnosis on given curves, and the figures that its sentences name."""

from __future__ import annotations

from typing import Any

import pytest

from app.training.diagnosis import ClassImages, RunFacts, diagnose
from app.training.schemas import EpochFigures


def epochs(*figures: tuple[float, float, float | None, float | None]) -> list[EpochFigures]:
    return [
        EpochFigures(number, loss, accuracy, v_loss, v_accuracy, 1e-3, 1.0, 90.0, is_best=False)
        for number, (loss, accuracy, v_loss, v_accuracy) in enumerate(figures, start=1)
    ]


def facts(*images: tuple[int, int], **values: Any) -> RunFacts:
    classes = [ClassImages(f"class {place}", *each) for place, each in enumerate(images)]
    return RunFacts(classes, **{"most_epochs": 50, "patience": 2, "learning_rate": 1e-3, **values})


FLAT = (0.4, 0.9, 0.7, 0.9)
GOOD = epochs((1.1, 0.5, 1.0, 0.6), (0.6, 0.8, 0.7, 0.9), (0.4, 0.9, 0.6, 0.9), FLAT, FLAT)
UNMEASURED = epochs((0.9, 0.7, None, None))


@pytest.mark.parametrize(
    ("curve", "given", "expected"),
    [
        (GOOD, facts((300, 100), (280, 90)), ["plateau"]),
        (GOOD, facts((300, 100), (40, 90)), ["class_imbalance", "plateau"]),
        (GOOD, facts((300, 100), (40, 90), balance="sampling"), ["plateau"]),
        (GOOD, facts((300, 10), (280, 9)), ["validation_small", "plateau"]),
        (GOOD[:3], facts((300, 100), (280, 90), most_epochs=3), ["cut_off"]),
        (GOOD[:3], facts((300, 100), (280, 90), is_running=True), []),
        (GOOD[:3], facts((300, 100), (280, 90), was_stopped=True), []),
        (
            epochs((0.9, 0.7, None, None)),
            facts((3, 0), (3, 0), was_stopped=True),
            ["under_fitting", "validation_small"],
        ),
        ([], facts((300, 100), (280, 90)), []),
        ([], facts((300, 100), (280, 90), error_code="loss_not_finite"), ["learning_rate_high"]),
    ],
)
def test_single_rules(curve: list[EpochFigures], given: RunFacts, expected: list[str]):
    assert [each.code for each in diagnose(curve, given)] == expected


def test_every_sentence_names_its_figures():
    spoilt = epochs((1.1, 0.5, 1.0, 0.6), (0.3, 0.95, 0.9, 0.7), (0.1, 1.0, 1.4, 0.7), (0.1, 1.0, 1.5, 0.7))
    found = diagnose(spoilt, facts((90, 20), (6, 20)))
    assert [each.code for each in found][:2] == ["over_fitting", "too_little_data"]
    assert found[0].text == (
        "Training accuracy 0.98 against 0.70 on validation images, a gap of 0.28, and the validation loss rose from"
        " 0.90 in epoch 2 to 1.27: the network learns these images rather than their classes."
    )
    assert found[1].text == (
        "class 1 (6) trained on fewer than 10 images, and validation accuracy is 0.70 against 0.98 in training."
    )
