"""Labelled images as evidence: what images are compared with, and what the version says of those it never learnt from.

All embeddings are by the version's own trunk, seen in one space (`ranking.Space`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, case, or_, select
from sqlalchemy.orm import Session

from app.core.database import read
from app.core.shares import Share, wilson
from app.datasets.models import SnapshotImage
from app.datasets.queries import trained_as
from app.embeddings.store import read_embeddings
from app.embeddings.work import embed_missing
from app.identification.holding import (
    Answers,
    Flags,
    Held,
    Ids,
    Kinds,
    References,
    Rows,
    held_as_unlike,
    held_by_answers,
    held_by_nearness,
    likeness_floors,
    upper_bound,
)
from app.identification.ranking import Space
from app.library.models import Image, ImageState
from app.registry.artifacts import LoadedHead, load_trunk

MOST_RARE: Final = 4000
MOST_PROBES: Final = 20_000
KNOWN_PER_CLASS: Final = 30
SAMPLE: Final = 8192
_BLOCK: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Labelled images: ids ascending, classes as they train, what groups them, whether the version learnt from them."""

    ids: Ids
    class_ids: Ids
    groups: Ids
    is_learnt: Flags

    def of(self, chosen: Flags | NDArray[np.intp]) -> Labelled:
        """Some of them."""
        return Labelled(self.ids[chosen], self.class_ids[chosen], self.groups[chosen], self.is_learnt[chosen])


def labelled_images(session: Session, project_id: int, snapshot_id: int) -> Labelled:
    """The project's good labelled images outside benchmark sets, by a version's snapshot. It reads all labels."""
    group = case(
        (Image.capture_group_id.is_not(None), Image.capture_group_id * 2 + 1),
        (Image.duplicate_group_id.is_not(None), Image.duplicate_group_id * 2),
        else_=-Image.id,
    )
    is_learnt = case((SnapshotImage.split == "train", 1), else_=0)
    of_snapshot = (SnapshotImage.image_id == Image.id) & (SnapshotImage.snapshot_id == snapshot_id)
    query = (
        select(Image.id, Image.class_id, group, is_learnt)
        .outerjoin(SnapshotImage, of_snapshot)
        .where(Image.project_id == project_id, Image.state == ImageState.LABELLED, ~Image.in_benchmark, _is_good())
        .order_by(Image.id)
    )
    parts = session.execute(query.execution_options(yield_per=20_000)).partitions()
    arrays = [np.array([tuple(row) for row in rows], dtype=np.int64) for rows in parts]
    table = np.concatenate([np.zeros((0, 4), dtype=np.int64), *arrays])
    class_ids = table[:, 1].copy()
    for own, other in trained_as(session, project_id).items():
        class_ids[table[:, 1] == own] = other
    return Labelled(table[:, 0], class_ids, table[:, 2], table[:, 3] == 1)


def _is_good() -> ColumnElement[bool]:
    return or_(Image.quality.is_(None), Image.quality == "good")


@dataclass(frozen=True, slots=True)
class Rule:
    """What accept-above asks for: at least this confidence, at most this share of a rare class in the top five."""

    confidence: float
    share: float
    kinds: Kinds


class Comparison:
    """A rule with what it compares images with; embeddings float32 (N, E) are by the version's trunk."""

    def __init__(self, rule: Rule, space: Space, rare: References, known: References) -> None:
        self.rule, self._space, self._rare, self._known = rule, space, rare, known
        self._floors = likeness_floors(known)

    def hold(self, answers: Answers, rows: Rows, *, groups: Ids | None = None) -> NDArray[np.int8]:
        """A Held for each image (N,) by its answers, its nearness to rare images and to those of its class."""
        held = held_by_answers(answers, self.rule.kinds, confidence=self.rule.confidence, share=self.rule.share)
        free = np.flatnonzero(held == Held.TAKEN)
        placed, predicted = self._space.place(rows[free]), answers.classes[free, 0]
        mine = groups[free] if groups is not None else None
        unlike = held_as_unlike(placed, predicted, self._known, self._floors, groups=mine)
        held[free[unlike]] = Held.UNLIKE_ITS_CLASS
        held[free[held_by_nearness(placed, predicted, self._rare, self._known, groups=mine)]] = Held.NEAR_RARE
        return held


def comparison(loaded: LoadedHead, rule: Rule, labelled: Labelled, sample: Sequence[int]) -> Comparison:
    """Embeds what lacks an embedding, and compares in a space fitted on these images and `sample`, ids of the pool."""
    is_rare = np.isin(labelled.class_ids, sorted(rule.kinds.rare))
    rare = labelled.of(spread(np.flatnonzero(is_rare), MOST_RARE))
    learnt = np.flatnonzero(np.isin(labelled.class_ids, sorted(rule.kinds.plentiful)) & labelled.is_learnt)
    known = labelled.of(_by_class(learnt, labelled.class_ids[learnt]))
    embed_missing(load_trunk(loaded.version.trunk.id), [*rare.ids.tolist(), *known.ids.tolist()])
    places = np.concatenate([_spread_ids(rare.ids), _spread_ids(known.ids), np.array(sample[:SAMPLE], dtype=np.int64)])
    fitted = embeddings(loaded, places)[1]
    space = Space.fit(fitted if len(fitted) else np.zeros((1, loaded.version.trunk.width), dtype=np.float32))
    return Comparison(rule, space, _references(loaded, space, rare), _references(loaded, space, known))


def spread(places: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most so many of them, spread evenly."""
    return places if len(places) <= most else places[np.linspace(0, len(places) - 1, most).astype(np.int64)]


def _spread_ids(ids: Ids) -> Ids:
    return ids[spread(np.arange(len(ids)), SAMPLE // 2)]


def _by_class(places: NDArray[np.intp], class_ids: Ids) -> NDArray[np.intp]:
    parts = [spread(places[class_ids == class_id], KNOWN_PER_CLASS) for class_id in np.unique(class_ids)]
    return np.sort(np.concatenate(parts)) if parts else places


def _references(loaded: LoadedHead, space: Space, labelled: Labelled) -> References:
    parts = [np.zeros((0, space.projection.shape[1]), dtype=np.float32)]
    known: list[int] = []
    for start in range(0, len(labelled.ids), _BLOCK):
        found, rows = embeddings(loaded, labelled.ids[start : start + _BLOCK])
        known += found.tolist()
        parts.append(space.place(rows))
    kept = labelled.of(np.isin(labelled.ids, known))
    return References(np.concatenate(parts), kept.class_ids, kept.groups)


def embeddings(loaded: LoadedHead, image_ids: Ids) -> tuple[Ids, Rows]:
    """Ids and embeddings of those that have one, in the order given."""
    with read() as session:
        found, rows = read_embeddings(session, loaded.version.trunk.id, image_ids.tolist())
    return np.array(found, dtype=np.int64), rows


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rule does to labelled images that the version never learnt from.

    `right` by predicted class: of how many taken the label agrees. `rare_taken` of `rare` images of rare classes were
    taken, `rare_above` of them had the confidence for a plentiful class; `bound` is for the share taken.
    """

    right: dict[int, Share]
    rare: int
    rare_above: int
    rare_taken: int

    @property
    def precision(self) -> Share:
        """Over all classes."""
        return wilson(sum(each.hits for each in self.right.values()), sum(each.total for each in self.right.values()))

    @property
    def bound(self) -> float:
        """The upper bound of the share of rare-class images that is swept up."""
        return upper_bound(self.rare_taken, self.rare)


def measure(loaded: LoadedHead, compared: Comparison, labelled: Labelled, held_out: Ids) -> Measured:
    """Ask the rule about labelled images: of rare classes all that were not learnt, of others those of `held_out`."""
    kinds = compared.rule.kinds
    is_rare = np.isin(labelled.class_ids, sorted(kinds.rare))
    others = np.flatnonzero(~is_rare & ~labelled.is_learnt & np.isin(labelled.ids, held_out))
    rare = np.flatnonzero(is_rare & ~labelled.is_learnt)
    probes = labelled.of(np.sort(np.concatenate([spread(rare, MOST_PROBES), spread(others, MOST_PROBES)])))
    embed_missing(load_trunk(loaded.version.trunk.id), probes.ids.tolist())
    counts = {"rare": 0, "above": 0, "taken": 0}
    hits: dict[int, list[int]] = {}
    for start in range(0, len(probes.ids), _BLOCK):
        part = probes.of(np.arange(start, min(start + _BLOCK, len(probes.ids))))
        found, rows = embeddings(loaded, part.ids)
        part = part.of(np.isin(part.ids, found))
        answers = Answers.of_scores(loaded.head.scores(rows), loaded.class_ids)
        taken = compared.hold(answers, rows, groups=part.groups) == Held.TAKEN
        _count_rare(counts, compared.rule, part, answers, taken)
        _count_right(hits, kinds, part, answers, taken)
    return Measured({each: wilson(*found) for each, found in hits.items()}, *counts.values())


def _count_rare(counts: dict[str, int], rule: Rule, part: Labelled, answers: Answers, taken: Flags) -> None:
    is_rare = np.isin(part.class_ids, sorted(rule.kinds.rare))
    above = answers.confidences[:, 0] >= np.float32(rule.confidence)
    above &= np.isin(answers.classes[:, 0], sorted(rule.kinds.plentiful))
    counts["rare"] += int(is_rare.sum())
    counts["above"] += int((is_rare & above).sum())
    counts["taken"] += int((is_rare & taken).sum())


def _count_right(hits: dict[int, list[int]], kinds: Kinds, part: Labelled, answers: Answers, taken: Flags) -> None:
    """Rare images are counted apart: a pool holds them in another share than the labelled ones."""
    counted = taken & ~np.isin(part.class_ids, sorted(kinds.rare))
    for class_id, true_id in zip(answers.classes[counted, 0].tolist(), part.class_ids[counted].tolist(), strict=True):
        seen = hits.setdefault(class_id, [0, 0])
        seen[0] += class_id == true_id
        seen[1] += 1


def held_out_ids(session: Session, snapshot_id: int) -> Ids:
    """Images of a snapshot's test and validation splits."""
    query: Select[Any] = select(SnapshotImage.image_id).where(
        SnapshotImage.snapshot_id == snapshot_id, SnapshotImage.split.in_(("test", "validation"))
    )
    return np.fromiter(session.scalars(query), dtype=np.int64)


def share_json(share: Share) -> dict[str, float | int | None]:
    """A share as a run's result keeps it; no value where nothing was measured."""
    value = share.value if share.total else None
    return {"hits": share.hits, "total": share.total, "value": value, "low": share.low, "high": share.high}
