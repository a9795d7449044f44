"""Figures are what scikit-learn computes, on any set of scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from app.evaluation.figures import Scores, class_counts, confusion, is_right, summary
from app.evaluation.subsets import Subset
from app.evaluation.work import Gathered

CLASS_IDS = [11, 5, 8, 30]


@st.composite
def scored(draw: st.DrawFn, *, strange: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """True class ids (N,) and scores (N, C) without ties; 0 among the truths where `strange`."""
    count = draw(st.integers(1, 40))
    known = [*CLASS_IDS, 0] if strange else CLASS_IDS
    truth = draw(arrays.arrays(np.int64, count, elements=st.sampled_from(known)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = random.dirichlet(np.full(len(CLASS_IDS), 0.7), size=count) * 0.99 + 0.0025
    return truth, scores.astype(np.float32)


def gathered(truth: np.ndarray, scores: np.ndarray, *, chunk: int = 7) -> Scores:
    ids = np.arange(100, 100 + len(truth))
    taken = Gathered(Subset("test", None, ids, truth, 0), CLASS_IDS)
    for start in range(0, len(ids), chunk):
        others = [7, 9_999]
        chunk_ids = sorted([*ids[start : start + chunk].tolist(), *others])
        rows = np.full((len(chunk_ids), len(CLASS_IDS)), 0.25, dtype=np.float32)
        rows[np.isin(chunk_ids, ids)] = scores[start : start + chunk]
        taken.add(chunk_ids, rows)
    return taken.scores()


@settings(max_examples=60, deadline=None)
@given(scored())
def test_accuracy_top_3_and_log_loss_are_those_of_scikit_learn(case: tuple[np.ndarray, np.ndarray]):
    truth, scores = case
    figures = summary(gathered(truth, scores), upper=0.8)
    labels = sorted(CLASS_IDS)
    columns = scores[:, [CLASS_IDS.index(each) for each in labels]].astype(np.float64)
    predicted = np.array(CLASS_IDS)[scores.argmax(axis=1)]
    assert figures["accuracy"]["value"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    top_3 = metrics.top_k_accuracy_score(truth, columns, k=3, labels=labels)
    assert figures["top_3"]["value"] == pytest.approx(top_3)
    columns /= columns.sum(axis=1, keepdims=True)
    assert figures["log_loss"] == pytest.approx(metrics.log_loss(truth, columns, labels=labels), rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(scored())
def test_precision_recall_and_confusion_are_those_of_scikit_learn(case: tuple[np.ndarray, np.ndarray]):
    truth, scores = case
    rows = gathered(truth, scores)
    labels = sorted(set(truth.tolist()) | set(rows.predicted.tolist()))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, rows.predicted, labels=labels, zero_division=0
    )
    counts = class_counts(rows)
    assert [row[0] for row in counts] == labels
    for at, (_, images, predicted, both) in enumerate(counts):
        assert images == support[at]
        assert (both / predicted if predicted else 0) == pytest.approx(precision[at])
        assert (both / images if images else 0) == pytest.approx(recall[at])
        assert 2 * both / (images + predicted) == pytest.approx(f1[at])
    matrix = metrics.confusion_matrix(truth, rows.predicted, labels=CLASS_IDS)
    assert {(true, found): images for true, found, images in confusion(rows)} == {
        (true, found): matrix[row, column]
        for row, true in enumerate(CLASS_IDS)
        for column, found in enumerate(CLASS_IDS)
        if matrix[row, column]
    }


@settings(max_examples=40, deadline=None)
@given(scored(strange=True), st.floats(0.3, 0.95))
def test_images_of_no_known_class_count_as_answered_or_not_and_nowhere_else(
    case: tuple[np.ndarray, np.ndarray], upper: float
):
    truth, scores = case
    rows = gathered(truth, scores)
    figures, known = summary(rows, upper=upper), truth != 0
    assert (figures["accuracy"] or {"total": 0})["total"] == known.sum()
    answered = known & (scores.max(axis=1) >= upper)
    if known.any():
        assert figures["answered"]["hits"] == answered.sum()
    if answered.any():
        right = (rows.predicted == truth)[answered]
        assert (figures["answered_right"]["hits"], figures["answered_right"]["total"]) == (right.sum(), len(right))
    strange = figures["out_of_model"]
    assert (strange is None) == known.all()
    if strange is not None:
        assert strange["hits"] == (scores[~known].max(axis=1) >= upper).sum()
    assert sum(images for _, images, _, _ in class_counts(rows)) == known.sum()
    assert sum(images for true, _, images in confusion(rows) if true == 0) == (~known).sum()
    expected = [rows.predicted[at] == truth[at] if known[at] else scores[at].max() < upper for at in range(len(truth))]
    assert is_right(rows, upper).tolist() == expected


def test_nothing_measured_reads_none_and_not_zero():
    empty = gathered(np.zeros(0, dtype=np.int64), np.zeros((0, 4), dtype=np.float32))
    figures = summary(empty, upper=0.8)
    assert {name for name, value in figures.items() if value is None} == {
        "accuracy",
        "top_3",
        "log_loss",
        "log_loss_margin",
        "ece",
        "ece_margin",
        "answered",
        "answered_right",
        "out_of_model",
    }
    assert figures["reliability"] == figures["coverage"] == []


def test_calibration_error_is_the_weighted_gap_of_the_bins_and_its_margin_shrinks_with_images():
    random = np.random.default_rng(1)

    def error(count: int) -> tuple[float, float]:
        confidence = random.uniform(0.34, 1, count)
        right = random.random(count) < confidence - 0.1
        scores = np.zeros((count, 4), dtype=np.float32)
        scores[:, 0] = confidence
        figures = summary(gathered(np.where(right, 11, 5), scores), upper=0.8)
        rows = figures["reliability"]
        by_hand = sum(row["images"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / count
        assert figures["ece"] == pytest.approx(by_hand)
        return figures["ece"], figures["ece_margin"]

    few, many = error(200), error(5000)
    assert abs(many[0] - 0.1) < 2 * many[1]
    assert many[1] < few[1] / 3


def test_coverage_falls_and_never_counts_below_the_threshold():
    truth = np.array([11, 11, 5, 8])
    scores = np.array([[0.9, 0.1, 0, 0], [0.6, 0.4, 0, 0], [0.55, 0.45, 0, 0], [0, 0, 1, 0]], dtype=np.float32)
    by_threshold = {row["threshold"]: row for row in summary(gathered(truth, scores), upper=0.8)["coverage"]}
    assert by_threshold[0.0] == {"threshold": 0.0, "coverage": 1.0, "accuracy": 0.75}
    assert by_threshold[0.6]["accuracy"] == 1.0
    assert by_threshold[1.0] == {"threshold": 1.0, "coverage": 0.25, "accuracy": 1.0}
