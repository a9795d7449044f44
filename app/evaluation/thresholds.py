"""The confidence thresholds proposed for a version, from what it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from app.evaluation.figures import Scores

FEWEST: Final = 20
DEFAULT_UPPER, DEFAULT_LOWER = 0.8, 0.4


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Above `upper` one answer, below `lower` "unable to identify", between them choices. `basis` says from what."""

    upper: float
    lower: float
    basis: str


def propose_thresholds(scores: Scores, *, wanted: float = 0.95) -> Thresholds:
    """Thresholds for a wanted accuracy of single answers, from validation images and sets marked tuning.

    Upper: the smallest confidence at which single answers reach `wanted`, but not below that of nineteen in twenty
    rightly recognised images; an answer for an image of no known class counts as wrong. Lower: ninety-nine in a hundred
    of the rightly recognised lie above it. With fewer than 20 images of known classes, or where `wanted` is out of
    reach, the defaults.
    """
    known = int((scores.truth != 0).sum())
    if known < FEWEST:
        return Thresholds(DEFAULT_UPPER, DEFAULT_LOWER, f"defaults: only {known} images to choose by, {FEWEST} needed")
    correct = (scores.predicted == scores.truth) & (scores.truth != 0)
    order = np.argsort(-scores.confidence, kind="stable")
    confidence = scores.confidence[order]
    answered = np.arange(1, len(order) + 1)
    reaches = np.cumsum(correct[order]) / answered >= wanted
    is_last_of_equals = np.append(np.diff(confidence) != 0, values=True)
    possible = np.flatnonzero(reaches & is_last_of_equals & (answered >= FEWEST))
    if not len(possible):
        return Thresholds(DEFAULT_UPPER, DEFAULT_LOWER, f"defaults: {wanted:.0%} right is out of reach")
    lower, usual = np.quantile(scores.confidence[correct], (0.01, 0.05)).tolist()
    above = possible[confidence[possible] >= usual]
    upper = float(confidence[above[-1] if len(above) else possible[-1]])
    return Thresholds(upper, min(lower, upper), f"{wanted:.0%} of single answers right on {len(scores)} images")
