"""Which waiting images may be shown together under which class: labels spread over embeddings. Arrays in, pages out.

Two opinions are multiplied: a linear discriminant (class means under one shared covariance, Fisher 1936; its sums grow
with each label, so a retrain is one small solve) and the votes of the nearest labelled images, against which those
count that somebody took out of a page of that class. A page holds what one may be surest of, whatever the class: the
next one then knows what this one taught. The numbers were chosen on pools of 1,200 to 2,400 photos of groceries and
animals, the very ones on which bench/labelling.py measures: other libraries may need a few more acts.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

DIMENSIONS: Final = 384
PAGE: Final = 60
_SAMPLE: Final = 4096
_RIDGE: Final = 2.0
_TEMPERATURE: Final = 3.0
_NEIGHBOURS: Final = 80
_NEARNESS: Final = 25.0
_AGAINST: Final = 3.0
_AGAINST_WITHIN: Final = 0.5
_VOTES_WEIGHT: Final = 1.5
_FLOOR: Final = 1e-4
_VOTES_FLOOR: Final = 0.03
_NEVER: Final = -50.0
_DOUBT: Final = 0.7
_TOO_ALIKE: Final = 0.6
_LOOK_AND_KEY: Final = 2.0


@dataclass(frozen=True, slots=True)
class Section:
    """Images that one class is proposed for: places in the pool, the surest first, with how sure (0..1)."""

    class_place: int
    pool_places: list[int]
    confidences: list[float]


def reduced(rows: Floats) -> Floats:
    """Embeddings (N, E) as unit vectors (N, at most DIMENSIONS), centred and half whitened by their own covariance.

    The square root tames the few large activations of a trunk that ends in a ReLU; other trunks keep their signs.
    """
    tamed = np.sign(rows) * np.sqrt(np.abs(rows))
    tamed /= np.maximum(np.linalg.norm(tamed, axis=1, keepdims=True), 1e-12)
    tamed -= tamed.mean(axis=0)
    some = tamed[:: max(1, len(tamed) // _SAMPLE)]
    strengths, directions = np.linalg.eigh(some.T @ some / max(1, len(some)))
    strengths, directions = strengths[::-1][:DIMENSIONS], directions[:, ::-1][:, :DIMENSIONS]
    scaled = tamed @ directions / np.sqrt(np.maximum(strengths, 0) + strengths.mean() + 1e-12)
    return np.asarray(scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-12), dtype=np.float32)


class Propagation:
    """What is known about a pool of waiting images (N, D) from labelled ones (M, D), all of them rows of `reduced`.

    `classes` gives the class place (0 to class_count - 1) of each labelled row. It learns from each answer; a copy can
    be asked what it would show if an answer were given.
    """

    def __init__(self, pool: Floats, labelled: Floats, classes: Places, class_count: int) -> None:
        self.pool = pool
        self.class_count = class_count
        width = pool.shape[1]
        self._squares = np.zeros((width, width), np.float32)
        self._sums = np.zeros((class_count, width), np.float32)
        self._counts = np.zeros(class_count, np.float32)
        self._near = np.full((len(pool), 0), -1.0, np.float32)
        self._near_classes = np.zeros((len(pool), 0), np.int64)
        if len(labelled):
            self.learn(labelled, classes)

    @property
    def knows_classes(self) -> int:
        """How many classes it has seen a label of."""
        return int((self._counts > 0).sum())

    def learn(self, rows: Floats, classes: Places) -> None:
        """Take labelled rows (M, D) in."""
        self._squares = self._squares + rows.T @ rows
        self._sums, self._counts = self._sums.copy(), self._counts.copy()
        np.add.at(self._sums, classes, rows)
        np.add.at(self._counts, classes, 1)
        for start in range(0, len(rows), 2048):
            self._meet(rows[start : start + 2048], classes[start : start + 2048])

    def supposing(self, pool_places: Places, classes: Places) -> Propagation:
        """A copy that has learned that these images of the pool are of these classes."""
        other = copy(self)
        other.learn(self.pool[pool_places], classes)
        return other

    def confidences(self, places: Places, rejected: Places) -> Floats:
        """For images of the pool at `places` (N,): how sure each class is (N, C), each row summing to 1.

        `rejected` (R, 2) holds (pool place, class place) of what somebody took out; the image itself is never proposed
        for that class again, and what is near to it less.
        """
        scores = self._discriminant(self.pool[places])
        scores += _VOTES_WEIGHT * np.log(self._votes(places, rejected) + _VOTES_FLOOR)
        position = np.full(len(self.pool), -1)
        position[places] = np.arange(len(places))
        own = rejected[position[rejected[:, 0]] >= 0]
        scores[position[own[:, 0]], own[:, 1]] = _NEVER
        scores[:, self._counts == 0] = _NEVER
        return _softmax(scores)

    def page(self, places: Places, rejected: Places, *, size: int = PAGE, one_class: bool = False) -> list[Section]:
        """The next page: up to `size` of the waiting images at `places`, by class, the largest section first.

        With `one_class` it is the one class's page that saves most actions. Without any label there is one section of
        class place -1: an image with the many that look like it.
        """
        if not len(places):
            return []
        if not self.knows_classes:
            return [self._alike(places, size)]
        sure = self.confidences(places, rejected)
        best = sure.argmax(axis=1)
        confidence = sure[np.arange(len(places)), best]
        chosen = (_one_class if one_class else self._surest)(places, best, confidence, size)
        sections = [
            Section(int(place), places[rows].tolist(), confidence[rows].tolist())
            for place in np.unique(best[chosen])
            for rows in [chosen[best[chosen] == place]]
        ]
        return sorted(sections, key=lambda section: (-len(section.pool_places), section.class_place))

    def _surest(self, places: Places, best: Places, confidence: Floats, size: int) -> Places:  # noqa: ARG002 - as _one_class
        """Rows of the highest confidence; doubtful ones behind their like, which decides them, only fill up a page."""
        chosen: list[int] = []
        doubtful: list[int] = []
        behind: list[int] = []
        for row in np.argsort(-confidence, kind="stable").tolist():
            if confidence[row] < _DOUBT:
                own = self.pool[places[row]]
                if doubtful and float((self.pool[places[doubtful]] @ own).max()) > _TOO_ALIKE:
                    behind.append(row)
                    continue
                doubtful.append(row)
            chosen.append(row)
            if len(chosen) == size:
                break
        return np.asarray([*chosen, *behind[: size - len(chosen)]])

    def _meet(self, rows: Floats, classes: Places) -> None:
        """Keep, for each image of the pool, its nearest labelled ones."""
        near = np.concatenate([self._near, self.pool @ rows.T], axis=1)
        of_rows = np.broadcast_to(classes, (len(self.pool), len(rows)))
        near_classes = np.concatenate([self._near_classes, of_rows], axis=1)
        if near.shape[1] > _NEIGHBOURS:
            kept = np.argpartition(-near, _NEIGHBOURS - 1, axis=1)[:, :_NEIGHBOURS]
            near, near_classes = (np.take_along_axis(each, kept, axis=1) for each in (near, near_classes))
        self._near, self._near_classes = near, near_classes

    def _discriminant(self, rows: Floats) -> Floats:
        """Log posterior of each class by the shared covariance, with a floor."""
        counts = np.maximum(self._counts, 1)
        means = self._sums / counts[:, None]
        within = (self._squares - (means.T * counts) @ means) / max(float(counts.sum()) - len(counts), 1.0)
        within += _RIDGE * max(float(np.trace(within)) / len(within), 1e-9) * np.eye(len(within), dtype=np.float32)
        weights = np.linalg.solve(within, means.T).astype(np.float32)
        scores = rows @ weights - 0.5 * (means.T * weights).sum(axis=0)
        return np.asarray(np.log(_softmax(scores / _TEMPERATURE) + np.float32(_FLOOR)), dtype=np.float32)

    def _votes(self, places: Places, rejected: Places) -> Floats:
        """The share of each class among the nearest labelled images, weighted by nearness."""
        weights = np.exp(_NEARNESS * (self._near[places] - 1))
        cells = np.arange(len(places))[:, None] * self.class_count + self._near_classes[places]
        counted = np.bincount(cells.ravel(), weights.ravel(), minlength=len(places) * self.class_count)
        votes = counted.reshape(len(places), self.class_count).astype(np.float32)
        if len(rejected):
            cosines = self.pool[places] @ self.pool[rejected[:, 0]].T
            against = np.where(cosines < _AGAINST_WITHIN, np.float32(0), np.exp(_NEARNESS * (cosines - 1)))
            for place in np.unique(rejected[:, 1]):
                votes[:, place] -= _AGAINST * against[:, rejected[:, 1] == place].sum(axis=1)
            np.maximum(votes, 0, out=votes)
        return np.asarray(votes / np.maximum(votes.sum(axis=1, keepdims=True), 1e-20), dtype=np.float32)

    def _alike(self, places: Places, size: int) -> Section:
        """The image with the nearest surroundings, and those."""
        some = places[:2048]
        cosines = self.pool[some] @ self.pool[some].T
        count = min(size, len(some))
        nearest = np.sort(cosines, axis=1)[:, -count:].mean(axis=1)
        around = cosines[int(nearest.argmax())]
        order = np.argsort(-around, kind="stable")[:count]
        return Section(-1, some[order].tolist(), [0.0] * count)


def _one_class(_places: Places, best: Places, confidence: Floats, size: int) -> Places:
    """Rows of the class whose page labels most for an action: a look and a key for all, a press for each exception."""
    found: tuple[float, Places] = (-1.0, np.zeros(0, np.int64))
    for place in np.unique(best):
        rows = np.flatnonzero(best == place)
        rows = rows[np.argsort(-confidence[rows], kind="stable")][:size]
        right = np.cumsum(confidence[rows])
        gain = right / (_LOOK_AND_KEY + np.cumsum(1 - confidence[rows]))
        most = int(gain.argmax())
        if gain[most] > found[0]:
            found = (float(gain[most]), rows[: most + 1])
    return found[1]


def _softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float32)
