"""Classes whose mirrored images look more like another class, by the reference trunk.

Asked for here, looked at by a worker, proposed by the training form beside what names tell (`mirroring`). A person
decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import Json
from app.core.errors import InvalidInput
from app.datasets.queries import class_names
from app.library.models import USABLE, Image
from app.registry.queries import reference_trunk
from app.runs.models import Run, RunState
from app.runs.service import request_run
from app.training.mirroring import MirrorDoubt, mirror_doubts

KIND: Final = "training.compare_mirrored"
OF_A_CLASS: Final = 16
"""Images of a class that are looked at, spread over what it has."""
MOST_CLASSES: Final = 500
FEWEST: Final = 6
"""A class with fewer images says nothing."""
AWAY: Final = 0.5
RISE: Final = 0.3
"""Of 60 kinds of animals and groceries by EfficientNet-Lite0, none of which a mirror changes, the share that is nearer
to another class rose by at most 0.2 when mirrored."""
_LOOKED_AT: Final = 2000

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Turned:
    """A class and where its images are nearest. Shares of its images that are nearer to another class than to it."""

    class_id: int
    nearest_id: int
    """The class that most of the images that went away are nearest to when mirrored."""
    images: int
    away: float
    away_mirrored: float


def request_comparison(session: Session, *, project_id: int, user_id: int | None) -> int:
    """Queue it; the run's id. Needs a write session. Raises InvalidInput without a reference trunk."""
    if reference_trunk(session, project_id) is None:
        raise InvalidInput(
            "Mirrored images are compared by the reference trunk; there is none yet: train a version first.",
            code="no_reference",
        )
    return request_run(
        session,
        project_id=project_id,
        kind=KIND,
        title="Comparison of mirrored images",
        parameters={},
        created_by=user_id,
        coalesce_key=f"{KIND}:{project_id}",
    )


def images_to_compare(session: Session, project_id: int) -> dict[int, int]:
    """Image ids with their class: of each class in use up to OF_A_CLASS usable ones, of MOST_CLASSES at most."""
    chosen: dict[int, int] = {}
    for class_id in list(class_names(session, project_id))[:MOST_CLASSES]:
        of_class = select(Image.id).where(Image.project_id == project_id, Image.class_id == class_id, USABLE)
        ids = session.scalars(
            of_class.where(Image.rendition_pack.is_not(None)).order_by(Image.id).limit(_LOOKED_AT)
        ).all()
        count = min(OF_A_CLASS, len(ids))
        chosen |= {ids[place * len(ids) // count]: class_id for place in range(count)}
    return chosen


def compare(plain: Floats, mirrored: Floats, class_ids: NDArray[np.int64]) -> list[Turned]:
    """Classes that go away when mirrored.

    `plain` and `mirrored` (N, E) are embeddings of the images and of their mirror images, `class_ids` is (N,). An image
    is nearer to the class whose mean direction, without the image itself, is more like its own. What all images have
    in common is taken out first.
    """
    names, place, counts = np.unique(class_ids, return_inverse=True, return_counts=True)
    if len(names) < 2:  # noqa: PLR2004 - one class has no other to go to
        return []
    middle = plain.mean(axis=0)
    plain, mirrored = _directions(plain - middle), _directions(mirrored - middle)
    sums = np.zeros((len(names), plain.shape[1]), np.float32)
    np.add.at(sums, place, plain)
    found = []
    for number, class_id in enumerate(names.tolist()):
        own = np.flatnonzero(place == number)
        if counts[number] < FEWEST:
            continue
        nearest = _nearest(plain[own], plain[own], sums, number)
        nearest_mirrored = _nearest(mirrored[own], plain[own], sums, number)
        away, away_mirrored = float((nearest != number).mean()), float((nearest_mirrored != number).mean())
        if away_mirrored >= AWAY and away_mirrored - away >= RISE:
            others = Counter(nearest_mirrored[nearest_mirrored != number].tolist())
            nearest_id = int(names[others.most_common(1)[0][0]])
            found.append(Turned(class_id, nearest_id, len(own), away, away_mirrored))
    return found


def _nearest(asked: Floats, own: Floats, sums: Floats, number: int) -> NDArray[np.int64]:
    """For each image of class `number` the class it is nearest to; the class's mean is without the image itself."""
    likeness = asked @ _directions(sums).T
    likeness[:, number] = (asked * _directions(sums[number] - own)).sum(axis=1)
    nearest: NDArray[np.int64] = likeness.argmax(axis=1)
    return nearest


def _directions(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Floats = vectors / np.maximum(lengths, np.float32(1e-9))
    return directions


def result_of(found: list[Turned], *, images: int) -> Json:
    """What the run tells."""
    kept = [[each.class_id, each.nearest_id, each.images, each.away, each.away_mirrored] for each in found]
    return {"images": images, "turned": kept}


def newest_comparison(session: Session, project_id: int) -> Run | None:
    """The newest comparison that was asked for, at whatever state."""
    asked = select(Run).where(Run.project_id == project_id, Run.kind == KIND)
    return session.scalar(asked.order_by(Run.id.desc()).limit(1))


def all_mirror_doubts(session: Session, project_id: int, names: Mapping[int, str]) -> list[MirrorDoubt]:
    """By names and, where images were compared, by them: in the order of names, each class once."""
    doubts = {doubt.class_id: doubt for doubt in mirror_doubts(names)}
    compared = select(Run.result).where(Run.project_id == project_id, Run.kind == KIND, Run.state == RunState.SUCCEEDED)
    result = session.scalar(compared.order_by(Run.id.desc()).limit(1)) or {}
    for class_id, nearest_id, _images, _away, share in result.get("turned", []):
        if class_id in names and nearest_id in names:
            reason = f"{share:.0%} of its mirrored images look more like {names[nearest_id]}"
            doubts[class_id] = MirrorDoubt(class_id, names[class_id], reason)
    return sorted(doubts.values(), key=lambda doubt: doubt.name.casefold())
