"""A teacher's answers as targets: what they come to by hand."""

from __future__ import annotations

import numpy as np
import pytest

from worker.learning.distill import UNLABELLED, mixed_targets, soft_answers
from worker.learning.errors import ManifestInvalid


def test_answers_are_softened_limited_to_common_classes_and_sum_to_one():
    logits = np.log(np.array([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]], np.float32))
    answers = soft_answers(logits, np.array([2, 0, -1]), temperature=1.0, class_count=4)
    targets = answers.targets(np.array([0, 1]), 4)
    np.testing.assert_allclose(targets[0], [1 / 3, 0, 2 / 3, 0], atol=1e-6)
    np.testing.assert_allclose(targets[1], 0, atol=1e-6)  # it gives most to a class that the student does not know
    assert answers.has_answer.tolist() == [True, False]
    softer = soft_answers(logits, np.array([2, 0, 1]), temperature=4.0, class_count=4).targets(np.array([0]), 4)[0]
    assert softer.sum() == pytest.approx(1)
    assert 1 / 3 < softer[2] < 0.6


def test_targets_mix_label_and_answer_and_an_unlabelled_image_has_the_answer_alone():
    answers = soft_answers(
        np.log(np.array([[0.7, 0.3]] * 3, np.float32)), np.array([0, 1]), temperature=1, class_count=2
    )
    targets = mixed_targets(np.array([1, UNLABELLED, 0]), np.array([0, 1, 2]), answers, share=0.5, class_count=2)
    np.testing.assert_allclose(targets, [[0.35, 0.65], [0.7, 0.3], [0.85, 0.15]], atol=1e-6)


def test_a_teacher_without_a_common_class_is_refused():
    with pytest.raises(ManifestInvalid, match="in common"):
        soft_answers(np.zeros((1, 2), np.float32), np.array([-1, -1]), temperature=1, class_count=3)
