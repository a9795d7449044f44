"""What is read off the scores: the best classes, how sure they are, and the answer by the thresholds."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

_MATRIX = 2


class Decision(StrEnum):
    """The three kinds of answer."""

    ANSWERED = "answered"
    CHOICES = "choices"
    UNABLE = "unable"


def top_k(scores: NDArray[np.float32], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Class indices int32 and values float32, both (N, min(k, C)), best first; equal scores by lower index.

    Repeated argmax: for the handful that is wanted, two to three times as fast as a partition.
    """
    if scores.ndim != _MATRIX or k < 1:
        raise ValueError(f"Scores have the shape (N, C) and k is at least 1; got {scores.shape} and {k}.")
    rest = scores.astype(np.float32)
    rows, count = np.arange(len(rest)), min(k, rest.shape[1])
    indices = np.empty((len(rest), count), dtype=np.int32)
    values = np.empty((len(rest), count), dtype=np.float32)
    for place in range(count):
        best = rest.argmax(axis=1)
        indices[:, place] = best
        values[:, place] = rest[rows, best]
        rest[rows, best] = -np.inf
    return indices, values


def margin(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """First minus second of the sorted values that `top_k` gives (N, k); 1 where there is one class only."""
    if values.shape[1] == 1:
        return np.ones(len(values), dtype=np.float32)
    return values[:, 0] - values[:, 1]


def normalised_entropy(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Entropy of each row of scores (N, C) over its maximum log C: 0 sure, 1 no idea; 0 for one class."""
    classes = scores.shape[1]
    if classes == 1:
        return np.zeros(len(scores), dtype=np.float32)
    information = scores * np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    entropy: NDArray[np.float32] = -information.sum(axis=1) / np.float32(np.log(classes))
    return np.clip(entropy, 0.0, 1.0)


def decide(confidence: float, *, upper: float, lower: float) -> Decision:
    """The answer for a top confidence: a class from `upper` on, a short list from `lower` on, else unable."""
    _check_thresholds(upper, lower)
    if confidence >= upper:
        return Decision.ANSWERED
    return Decision.CHOICES if confidence >= lower else Decision.UNABLE


def decide_many(confidences: NDArray[np.float32], *, upper: float, lower: float) -> list[Decision]:
    """`decide` for the top confidences (N,) of many images."""
    return [decide(float(confidence), upper=upper, lower=lower) for confidence in confidences]


def _check_thresholds(upper: float, lower: float) -> None:
    if not 0.0 <= lower <= upper <= 1.0:
        raise ValueError(f"Thresholds must be 0 <= lower <= upper <= 1; got lower {lower} and upper {upper}.")
