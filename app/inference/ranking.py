"""What is read off the scores: the best classes, how sure they are, and the answer by the thresholds."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MATRIX = 2
_ROWS_AT_ONCE: Final = 128


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


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What is read off the logits of N images: class indices int32 and confidences float32, both (N, K), best first.

    `margins` and `entropies` float32 (N,) are what `margin` and `normalised_entropy` give.
    """

    indices: NDArray[np.int32]
    confidences: NDArray[np.float32]
    margins: NDArray[np.float32]
    entropies: NDArray[np.float32]


def answers_from(logits: NDArray[np.float32], k: int, *, temperature: float = 1.0) -> Answers:
    """The answers of logits float32 (N, C), which are used up: the k best, margin and entropy without all confidences.

    The softmax of a few rows at a time stays in the processor's cache, and of its values only the k best are divided:
    a sixth of the time that whole matrices take. A row's answer does not depend on the rows beside it.
    """
    if logits.ndim != _MATRIX or k < 1:
        raise ValueError(f"Logits have the shape (N, C) and k is at least 1; got {logits.shape} and {k}.")
    count, classes = min(k, logits.shape[1]), logits.shape[1]
    indices = np.empty((len(logits), count), dtype=np.int32)
    confidences = np.empty((len(logits), count), dtype=np.float32)
    entropies = np.zeros(len(logits), dtype=np.float32)
    shares = np.empty((min(_ROWS_AT_ONCE, len(logits)), classes), dtype=np.float32)
    for start in range(0, len(logits), _ROWS_AT_ONCE):
        here = slice(start, start + _ROWS_AT_ONCE)
        rows = logits[here]
        if temperature != 1.0:
            rows /= np.float32(temperature)
        _take_best(rows, indices[here], confidences[here])
        highest = confidences[here, 0].copy()
        rows -= highest[:, None]
        part = np.exp(rows, out=shares[: len(rows)])
        total = part.sum(axis=1)
        if classes > 1:
            entropies[here] = (np.log(total) - np.vecdot(part, rows) / total) / np.float32(np.log(classes))
        confidences[here] = np.exp(confidences[here] - highest[:, None]) / total[:, None]
    return Answers(indices, confidences, margin(confidences), np.clip(entropies, 0.0, 1.0))


def _take_best(rows: NDArray[np.float32], indices: NDArray[np.int32], values: NDArray[np.float32]) -> None:
    """Fill `indices` and `values` with the best of each row, equal ones by lower index; the rows end as they were."""
    every = np.arange(len(rows))
    for place in range(indices.shape[1]):
        best = rows.argmax(axis=1)
        indices[:, place] = best
        values[:, place] = rows[every, best]
        rows[every, best] = -np.inf
    for place in range(indices.shape[1]):
        rows[every, indices[:, place]] = values[:, place]


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
