"""Reading duplicates for their page: which groups and proposals there are, and the images of each with their facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.library.curation_models import DuplicateProposal, ProposedDuplicate
from app.library.duplicates import conflicting_groups
from app.library.models import DuplicateGroup, Image, ImageState
from app.library.settling import Bundle, BundleKind

SHOWN: Final = 12
COUNT_CAP: Final = 1000


class Show(StrEnum):
    """What the page lists."""

    OPEN = "open"
    CONFLICTS = "conflicts"
    HASH = "hash"
    EMBEDDING = "embedding"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class MemberView:
    """An image of a bundle; `distance` (bits, or one less the cosine) is that by which it was proposed."""

    image: Image
    distance: float | None


@dataclass(frozen=True, slots=True)
class BundleView:
    """A group or proposal as it is shown: its first images, how many it has, how many classes they carry."""

    bundle: Bundle
    members: Sequence[MemberView]
    images: int
    classes: int
    by: str
    is_settled: bool

    @property
    def name(self) -> str:
        """Such as "group-12": the name of its element on the page."""
        return self.bundle.name


def bundle_ids(session: Session, project_id: int, show: Show, *, before: int | None, limit: int) -> list[Bundle]:
    """Groups or proposals of a kind, the newest first, those below the id `before`."""
    if show is Show.CONFLICTS:
        groups = conflicting_groups(session, project_id, limit=limit, before=before)
        return [Bundle(BundleKind.GROUP, group) for group in groups]
    table, conditions = _listed(project_id, show)
    query: Select[Any] = select(table.id).where(*conditions).order_by(table.id.desc()).limit(limit)
    found = session.scalars(query.where(table.id < before) if before is not None else query)
    kind = BundleKind.GROUP if table is DuplicateGroup else BundleKind.PROPOSAL
    return [Bundle(kind, each) for each in found]


def counts(session: Session, project_id: int) -> dict[str, str]:
    """How many there are to settle, of each kind that an index counts: "17", or "1,000+" beyond a cap."""
    found = {}
    for show in (Show.OPEN, Show.HASH, Show.EMBEDDING):
        table, conditions = _listed(project_id, show)
        some = select(table.id).where(*conditions).limit(COUNT_CAP + 1).subquery()
        number = session.scalar(select(func.count()).select_from(some)) or 0
        found[show.value] = f"{number:,}" if number <= COUNT_CAP else f"{COUNT_CAP:,}+"
    return found


def _listed(project_id: int, show: Show) -> tuple[type[DuplicateGroup | DuplicateProposal], list[ColumnElement[bool]]]:
    if show in (Show.HASH, Show.EMBEDDING):
        proposal = DuplicateProposal
        open_ones = [proposal.project_id == project_id, proposal.kind == show.value, proposal.settled_at.is_(None)]
        return proposal, open_ones
    settled = DuplicateGroup.settled_at
    return DuplicateGroup, [
        DuplicateGroup.project_id == project_id,
        settled.is_not(None) if show is Show.SETTLED else settled.is_(None),
    ]


def bundle_views(session: Session, project_id: int, bundles: Sequence[Bundle]) -> list[BundleView]:
    """The bundles with their images; those of which fewer than two images are left are passed over."""
    views = [_view(session, project_id, bundle) for bundle in bundles]
    return [view for view in views if view is not None and view.images > 1]


def _view(session: Session, project_id: int, bundle: Bundle) -> BundleView | None:
    there = [
        Image.project_id == project_id,
        Image.state.not_in((ImageState.REMOVED.value, ImageState.QUARANTINED.value)),
    ]
    first = (Image.is_representative.desc(), Image.id)
    if bundle.kind is BundleKind.GROUP:
        group = session.get(DuplicateGroup, bundle.id)
        there.append(Image.duplicate_group_id == bundle.id)
        if group is None or group.project_id != project_id:
            return None
        images = session.scalars(select(Image).where(*there).order_by(*first).limit(SHOWN))
        members = [MemberView(image, None) for image in images]
        by, is_settled = "group", group.settled_at is not None
    else:
        proposal = session.get(DuplicateProposal, bundle.id)
        if proposal is None or proposal.project_id != project_id:
            return None
        there += [ProposedDuplicate.proposal_id == bundle.id, ProposedDuplicate.image_id == Image.id]
        query = select(Image, ProposedDuplicate.distance).where(*there)
        rows = session.execute(query.order_by(ProposedDuplicate.distance, Image.id).limit(SHOWN))
        members = [MemberView(image, distance) for image, distance in rows]
        by, is_settled = proposal.kind, proposal.settled_at is not None
    totals = select(func.count(Image.id), func.count(Image.class_id.distinct())).where(*there)
    images_total, classes = session.execute(totals).one()
    return BundleView(bundle, members, images_total, classes, by, is_settled)
