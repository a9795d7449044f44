"""Thresholds reach the accuracy that is wanted, refuse the unsure, and say what they rest on."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.evaluation.thresholds import DEFAULT_LOWER, DEFAULT_UPPER, propose_thresholds
from tests.factories.evaluation import Answer, answers, scores_of


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 200), st.sampled_from([0.0, 0.2]))
def test_single_answers_reach_what_is_wanted_on_what_they_were_chosen_by(seed: int, count: int, strange: float):
    random = np.random.default_rng(seed)
    confidence = np.round(random.uniform(0.2, 1, count), 2)
    said: list[Answer] = [
        (at, 0 if random.random() < strange else 1, 1 if random.random() < value**0.3 else 2, float(value))
        for at, value in enumerate(confidence, start=1)
    ]
    scores = scores_of(said)
    found = propose_thresholds(scores)
    assert 0 <= found.lower <= found.upper <= 1
    if found.basis.startswith("defaults"):
        assert (found.upper, found.lower) == (DEFAULT_UPPER, DEFAULT_LOWER)
    else:
        answered = scores.confidence >= found.upper
        right = (scores.predicted == scores.truth) & (scores.truth != 0)
        assert answered.sum() >= 20
        assert right[answered].mean() >= 0.95


def test_a_version_that_is_nearly_always_right_still_refuses_what_it_is_unsure_of():
    sure = [answer for at in range(95) for answer in answers([at + 1], 1, 1, 0.6 + at / 250)]
    unsure = [answer for at in range(5) for answer in answers([200 + at], 1, 1, 0.1 + at / 100)]
    found = propose_thresholds(scores_of([*sure, *unsure]))
    assert 0.55 < found.upper < 0.65
    assert 0.1 < found.lower < 0.13
    assert "100 images" in found.basis


def test_equal_confidences_are_answered_together_or_not_at_all():
    said = answers(range(1, 41), 1, 1, 0.9) + answers(range(41, 61), 1, 1, 0.5) + answers(range(61, 81), 1, 2, 0.5)
    assert propose_thresholds(scores_of(said)).upper == 0.9


def test_answers_for_images_of_no_known_class_raise_the_threshold():
    known = answers(range(1, 61), 1, 1, 0.9) + answers(range(61, 101), 1, 1, 0.6)
    alone = propose_thresholds(scores_of(known))
    among = propose_thresholds(scores_of(known + answers(range(101, 121), 0, 1, 0.6)))
    assert (alone.upper, among.upper) == (0.6, 0.9)


def test_defaults_with_few_images_or_where_the_wanted_accuracy_is_out_of_reach():
    few = propose_thresholds(scores_of(answers(range(1, 20), 1, 1)))
    assert (few.upper, few.lower) == (DEFAULT_UPPER, DEFAULT_LOWER)
    assert "only 19 images" in few.basis
    hopeless = propose_thresholds(scores_of(answers(range(1, 41), 1, 2)))
    assert (hopeless.upper, hopeless.basis) == (DEFAULT_UPPER, "defaults: 95% right is out of reach")
