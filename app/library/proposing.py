"""Proposals of duplicates: links between images, from a search of any kind, become bundles for a person to settle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import read, write
from app.library.curation_models import DuplicateProposal, NotDuplicate, ProposedDuplicate
from app.library.decisions import withdraw
from app.library.grouping import components
from app.library.models import Image, ImageState
from app.library.near_pairs import near_edges
from app.runs.context import RunContext

KIND: Final = "library.duplicates"
DEFAULT_RADIUS: Final = 5
LARGEST_BUNDLE: Final = 60
_TELLING_BITS: Final = 8
_PAGE: Final = 50_000
_BATCH: Final = 200
Rows = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Link:
    """Two images that may show the same picture. `distance` is in bits, or one less the cosine."""

    one: int
    other: int
    distance: float


@dataclass(frozen=True, slots=True)
class Standing:
    """The images of a project in columns, by rising id: `unit` is the image that stands for each one's group."""

    id: Rows
    phash: Rows
    unit: Rows


def standing(project_id: int) -> Standing:
    """Read what a search needs of every image that has a picture and is not removed, by short sessions."""
    pages: list[NDArray[np.int64]] = []
    last = 0
    columns = (Image.id, Image.phash, Image.duplicate_group_id, Image.is_representative)
    hidden = (ImageState.REMOVED.value, ImageState.QUARANTINED.value)
    while True:
        with read() as session:
            rows = session.execute(
                select(*columns)
                .where(Image.project_id == project_id, Image.id > last)
                .where(Image.phash.is_not(None), Image.state.not_in(hidden))
                .order_by(Image.id)
                .limit(_PAGE)
            ).all()
        if not rows:
            break
        pages.append(np.array([(i, phash, group or 0, first) for i, phash, group, first in rows], dtype=np.int64))
        last = rows[-1][0]
    table = np.concatenate(pages) if pages else np.zeros((0, 4), dtype=np.int64)
    ids, group = table[:, 0], table[:, 2]
    unit = ids.copy()
    stands = (group > 0) & (table[:, 3] > 0)
    order = np.argsort(group[stands], kind="stable")
    groups, firsts = group[stands][order], ids[stands][order]
    grouped = np.flatnonzero((group > 0) & np.isin(group, groups))
    unit[grouped] = firsts[np.searchsorted(groups, group[grouped])]
    return Standing(ids, table[:, 1], unit)


def look_for_duplicates(context: RunContext) -> None:
    """The run kind `library.duplicates`: the whole library by perceptual hash, within `radius` bits."""
    radius = int(context.parameters.get("radius", DEFAULT_RADIUS))
    context.progress(0, 0, "Reading the hashes")
    found = standing(context.project_id)
    tells = np.bitwise_count(found.phash.view(np.uint64)) > _TELLING_BITS  # a flat picture hashes to next to nothing
    ids, phash = found.id[tells], found.phash[tells]
    context.progress(0, 0, "Comparing")
    edges = near_edges(phash, radius)
    context.raise_if_cancelled()
    ends = zip(ids[edges.left].tolist(), ids[edges.right].tolist(), edges.bits.tolist(), strict=True)
    links = [Link(one, other, float(bits)) for one, other, bits in ends]
    proposed = propose(context, "hash", found, links)
    with write() as session:
        context.complete(session, {"images": len(ids), "radius": radius, "proposals": proposed})


def propose(context: RunContext, kind: str, found: Standing, links: Sequence[Link]) -> int:
    """Replace the open proposals of a kind by bundles of what is linked; returns how many.

    Images of one group go as the one that stands for it; what a person parted is kept apart.
    """
    unit = dict(zip(found.id.tolist(), found.unit.tolist(), strict=True))
    between = sorted(
        (Link(unit[link.one], unit[link.other], link.distance) for link in links if unit[link.one] != unit[link.other]),
        key=lambda link: link.distance,
    )
    with read() as session:
        apart = _parted_units(session, context.project_id, unit)
        old = list(_open_proposals(session, context.project_id, kind))
    for part in _batches(old):
        with write() as session:
            withdraw(session, part)
    nearest: dict[int, float] = {}
    for link in between:
        nearest.setdefault(link.one, link.distance)
        nearest.setdefault(link.other, link.distance)
    bundles = [part for members in components(((x.one, x.other) for x in between), apart) for part in _cut(members)]
    for number, batch in enumerate(_batches(bundles)):
        with write() as session:
            _store(session, context, kind, batch, nearest)
        context.progress(number * _BATCH + len(batch), len(bundles), "Storing proposals")
    return len(bundles)


def _cut(members: list[int]) -> Iterator[list[int]]:
    """A chain of thousands is no bundle to be looked at: it comes in parts."""
    for start in range(0, len(members), LARGEST_BUNDLE):
        part = members[start : start + LARGEST_BUNDLE]
        if len(part) > 1:
            yield part


def _parted_units(session: Session, project_id: int, unit: dict[int, int]) -> list[tuple[int, int]]:
    rows = session.execute(
        select(NotDuplicate.low_id, NotDuplicate.high_id).where(NotDuplicate.project_id == project_id)
    )
    return [(unit.get(low, low), unit.get(high, high)) for low, high in rows]


def _open_proposals(session: Session, project_id: int, kind: str) -> Iterable[int]:
    return session.scalars(
        select(DuplicateProposal.id).where(
            DuplicateProposal.project_id == project_id,
            DuplicateProposal.kind == kind,
            DuplicateProposal.settled_at.is_(None),
        )
    )


def _batches(values: Iterable[T]) -> Iterator[list[T]]:
    each = iter(values)
    while batch := list(islice(each, _BATCH)):
        yield batch


def _store(
    session: Session, context: RunContext, kind: str, bundles: list[list[int]], nearest: dict[int, float]
) -> None:
    row = {"project_id": context.project_id, "run_id": context.run_id, "kind": kind, "created_at": now()}
    made = insert(DuplicateProposal).returning(DuplicateProposal.id, sort_by_parameter_order=True)
    ids = session.scalars(made, [row for _ in bundles]).all()
    rows = [
        {"proposal_id": proposal, "image_id": image_id, "distance": nearest.get(image_id, 0.0)}
        for proposal, members in zip(ids, bundles, strict=True)
        for image_id in members
    ]
    session.execute(insert(ProposedDuplicate), rows)
