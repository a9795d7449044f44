"""A teacher's answers as targets for a student: Hinton, Vinyals, Dean, "Distilling the Knowledge", 2015.

Cross-entropy is linear in its targets, so hard and soft targets are mixed before the loss: a labelled image gets
`teacher_share` of the teacher's softened answer and the rest of its label, an unlabelled one the answer alone.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from worker.learning.errors import ManifestInvalid

UNLABELLED: Final = -1
"""Class index of an image that teaches by the teacher's answer alone."""
MOST_ANSWERS: Final = 16
_LEAST_KNOWN: Final = 0.5
"""A teacher that gives less than this to classes which the student knows has nothing to say about an image."""


@dataclass(frozen=True)
class TeacherAnswers:
    """The teacher's surest answers for each row of the samples, among the student's classes."""

    classes: npt.NDArray[np.int32]
    """(N, K) positions in the student's head."""
    shares: npt.NDArray[np.float32]
    """(N, K), each row summing to 1, or 0 where the teacher has nothing to say."""

    def targets(self, rows: npt.NDArray[np.int64], class_count: int) -> npt.NDArray[np.float32]:
        """float32 (len(rows), class_count)."""
        whole = np.zeros((len(rows), class_count), np.float32)
        np.put_along_axis(whole, self.classes[rows].astype(np.int64), self.shares[rows], axis=1)
        return whole

    @property
    def has_answer(self) -> npt.NDArray[np.bool_]:
        """(N,) whether the teacher says anything."""
        has: npt.NDArray[np.bool_] = self.shares.sum(axis=1) > 0
        return has


def soft_answers(
    logits: npt.NDArray[np.float32], position_of: npt.NDArray[np.int64], *, temperature: float, class_count: int
) -> TeacherAnswers:
    """The answers of a teacher with `logits` (N, T); `position_of` (T,) the student's position of each, or -1.

    Softened by `temperature`, limited to classes that the student knows and to the MOST_ANSWERS surest.
    Raises ManifestInvalid where they share no class.
    """
    known = np.flatnonzero(position_of >= 0)
    if not len(known):
        raise ManifestInvalid("A teacher needs a class in common with its student; there is none.")
    scaled = logits / temperature
    odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares = (odds / odds.sum(axis=1, keepdims=True))[:, known]
    heard = shares.sum(axis=1) >= _LEAST_KNOWN
    width = min(MOST_ANSWERS, len(known), class_count)
    top = np.argsort(-shares, axis=1, kind="stable")[:, :width]
    kept = np.take_along_axis(shares, top, axis=1)
    kept = np.where(heard[:, None], kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-12), 0.0)
    return TeacherAnswers(position_of[known][top].astype(np.int32), kept.astype(np.float32))


def mixed_targets(
    class_indices: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    answers: TeacherAnswers,
    *,
    share: float,
    class_count: int,
) -> npt.NDArray[np.float32]:
    """Targets float32 (len(rows), class_count) of labelled and unlabelled rows; each sums to 1."""
    classes = class_indices[rows]
    is_labelled = classes != UNLABELLED
    hard = np.zeros((len(rows), class_count), np.float32)
    hard[np.flatnonzero(is_labelled), classes[is_labelled]] = 1
    soft_share = np.where(is_labelled, share, 1.0) * answers.has_answer[rows]
    weight = soft_share[:, None].astype(np.float32)
    mixed: npt.NDArray[np.float32] = (1 - weight) * hard + weight * answers.targets(rows, class_count)
    return mixed
