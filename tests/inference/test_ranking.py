"""Best classes, margin, entropy, and the answer by the thresholds."""

import numpy as np
import pytest

from app.inference.ranking import Decision, decide, decide_many, margin, normalised_entropy, top_k


@pytest.mark.parametrize("k", [1, 3, 20])
def test_the_best_classes_come_first(k: int):
    scores = np.random.default_rng(5).dirichlet(np.ones(20), 50).astype(np.float32)
    indices, values = top_k(scores, k)
    order = np.argsort(-scores, axis=1)[:, :k]
    assert (indices.dtype, values.dtype) == (np.int32, np.float32)
    assert np.array_equal(indices, order)
    assert np.array_equal(values, np.take_along_axis(scores, order, axis=1))


def test_scores_are_left_as_they_were():
    scores = np.random.default_rng(5).random((4, 6), dtype=np.float32)
    before = scores.copy()
    top_k(scores, 3)
    assert np.array_equal(scores, before)


def test_equal_scores_go_by_class_order_and_few_classes_give_few():
    indices, values = top_k(np.full((2, 3), 1 / 3, np.float32), 5)
    assert indices.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert values.shape == (2, 3)
    assert top_k(np.empty((0, 3), np.float32), 2)[0].shape == (0, 2)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        top_k(np.ones((2, 2), np.float32), 0)
    with pytest.raises(ValueError, match=r"\(N, C\)"):
        top_k(np.ones(2, np.float32), 1)


def test_margin_is_first_minus_second():
    assert margin(np.array([[0.75, 0.25], [0.5, 0.5]], np.float32)).tolist() == [0.5, 0.0]
    assert margin(np.ones((3, 1), np.float32)).tolist() == [1, 1, 1]


def test_entropy_runs_from_sure_to_no_idea():
    scores = np.array([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]], np.float32)
    assert np.allclose(normalised_entropy(scores), [0, 1, 0.5], atol=1e-6)
    assert normalised_entropy(np.ones((2, 1), np.float32)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("confidence", "decision"),
    [(1.0, "answered"), (0.8, "answered"), (0.79, "choices"), (0.3, "choices"), (0.29, "unable"), (0.0, "unable")],
)
def test_the_thresholds_decide(confidence: float, decision: str):
    assert decide(confidence, upper=0.8, lower=0.3) == decision
    assert decide_many(np.array([confidence], np.float64), upper=0.8, lower=0.3) == [Decision(decision)]


@pytest.mark.parametrize(("upper", "lower"), [(0.3, 0.8), (1.1, 0.5), (0.5, -0.1), (float("nan"), 0.1)])
def test_thresholds_out_of_order_are_refused(upper: float, lower: float):
    with pytest.raises(ValueError, match="0 <= lower <= upper <= 1"):
        decide(0.5, upper=upper, lower=lower)
