"""Figures of one set of scored images: arrays in, plain values out.

Accuracy, top-3, log loss, calibration (expected calibration error over 15 equal bins: Naeini et al. 2015), coverage
against accuracy, counts by class and the confusion matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.database import Json
from app.evaluation.statistics import share_json

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
BINS: Final = 15
TOP: Final = 3
RESAMPLES: Final = 200
TWO_SIDED_95: Final = 1.96


@dataclass(frozen=True, slots=True)
class Scores:
    """One row an image, all of length N.

    `truth` and `predicted` are class ids (truth 0: none that the version knows); `confidence` is that of the
    prediction, `true_confidence` that of the truth (NaN where truth is 0), `true_rank` the truth's place from 1
    (0 where truth is 0).
    """

    image_ids: Ints
    truth: Ints
    predicted: Ints
    confidence: Floats
    true_confidence: Floats
    true_rank: Ints

    def __len__(self) -> int:
        return len(self.image_ids)

    @staticmethod
    def joined(parts: Sequence[Scores]) -> Scores:
        """The rows of several sets, one after the other."""
        columns = zip(*((getattr(part, each.name) for each in fields(Scores)) for part in parts), strict=True)
        return Scores(*(np.concatenate(column) for column in columns))

    def only(self, chosen: NDArray[np.bool_]) -> Scores:
        """The rows where `chosen` is true."""
        return Scores(
            self.image_ids[chosen],
            self.truth[chosen],
            self.predicted[chosen],
            self.confidence[chosen],
            self.true_confidence[chosen],
            self.true_rank[chosen],
        )


def is_right(scores: Scores, upper: float) -> NDArray[np.bool_]:
    """The best class is the true one; for an image of no known class: no single answer is given at `upper`."""
    known = scores.truth != 0
    return np.where(known, scores.predicted == scores.truth, scores.confidence < upper)


def summary(scores: Scores, *, upper: float) -> Json:
    """All figures of the set as a JSON document; what nothing was measured for is None.

    Shares carry their Wilson interval; `log_loss_margin` and `ece_margin` are half the width of a 95% interval (normal
    for the mean loss, 200 seeded resamples for the calibration error). `answered` are the images of known classes that
    get a single answer at `upper`, `answered_right` those of them that are right, `out_of_model` the images of no known
    class that get one nevertheless.
    """
    known, strange = scores.only(scores.truth != 0), scores.only(scores.truth == 0)
    correct, answered = known.predicted == known.truth, known.confidence >= upper
    log_loss, log_loss_margin = _log_loss(known)
    ece, ece_margin = _calibration_error(known.confidence, correct)
    return {
        "accuracy": share_json(int(correct.sum()), len(known)),
        "top_3": share_json(int((known.true_rank <= TOP).sum()), len(known)),
        "log_loss": log_loss,
        "log_loss_margin": log_loss_margin,
        "ece": ece,
        "ece_margin": ece_margin,
        "reliability": _reliability(known.confidence, correct),
        "coverage": _coverage(known.confidence, correct),
        "answered": share_json(int(answered.sum()), len(known)),
        "answered_right": share_json(int(correct[answered].sum()), int(answered.sum())),
        "out_of_model": share_json(int((strange.confidence >= upper).sum()), len(strange)),
        "upper_threshold": upper,
    }


def _log_loss(known: Scores) -> tuple[float | None, float | None]:
    if not len(known):
        return None, None
    losses = -np.log(np.clip(known.true_confidence, 1e-7, 1.0))
    margin = TWO_SIDED_95 * float(losses.std(ddof=1)) / np.sqrt(len(losses)) if len(losses) > 1 else None
    return float(losses.mean()), None if margin is None else float(margin)


def _bins(confidence: Floats) -> Ints:
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def _calibration_error(confidence: Floats, correct: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """The error and the margin of its 95% interval, from resampled images."""
    count = len(confidence)
    if not count:
        return None, None
    places, gaps = _bins(confidence), correct - confidence
    error = np.abs(np.bincount(places, weights=gaps)).sum() / count
    random = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        drawn = random.integers(0, count, count)
        found.append(np.abs(np.bincount(places[drawn], weights=gaps[drawn])).sum() / count)
    return float(error), TWO_SIDED_95 * float(np.std(found))


def _reliability(confidence: Floats, correct: NDArray[np.bool_]) -> list[Json]:
    """One row for each bin that holds images: mean confidence, accuracy, images."""
    places = _bins(confidence)
    return [
        {
            "confidence": float(confidence[places == place].mean()),
            "accuracy": float(correct[places == place].mean()),
            "images": int((places == place).sum()),
        }
        for place in np.unique(places).tolist()
    ]


def _coverage(confidence: Floats, correct: NDArray[np.bool_], points: int = 21) -> list[Json]:
    """Share answered and accuracy of what is answered, by threshold from 0 to 1."""
    rows = []
    for threshold in np.linspace(0.0, 1.0, points):
        answered = confidence >= threshold
        if answered.any():
            row = {"threshold": round(float(threshold), 3), "coverage": float(answered.mean())}
            rows.append({**row, "accuracy": float(correct[answered].mean())})
    return rows


def class_counts(scores: Scores) -> list[tuple[int, int, int, int]]:
    """(class id, images of it, predictions of it, both) for each class that occurs, of images with a known truth."""
    known = scores.only(scores.truth != 0)
    ids = np.union1d(known.truth, known.predicted)

    def count(values: Ints) -> list[int]:
        found: list[int] = np.bincount(np.searchsorted(ids, values), minlength=len(ids)).tolist()
        return found

    both = known.truth[known.truth == known.predicted]
    return list(zip(ids.tolist(), count(known.truth), count(known.predicted), count(both), strict=True))


def confusion(scores: Scores) -> list[tuple[int, int, int]]:
    """(true class id, predicted class id, images) for each pair that occurs; true class 0: none the version knows."""
    pairs, counts = np.unique(np.stack([scores.truth, scores.predicted]), axis=1, return_counts=True)
    return [(int(pairs[0, at]), int(pairs[1, at]), int(counts[at])) for at in range(pairs.shape[1])]
