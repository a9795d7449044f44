"""Settling duplicates: a group or a proposal is kept, parted, or given another representative; each can be undone.

All functions take a write session. What a person parted is never joined or proposed again (`duplicates.parted`), and
parting frees no image that was retired as leaked: it has been trained or stopped on beside its like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, product
from typing import Final

from sqlalchemy import Select, insert, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import id_rows
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.texts import tr
from app.library.curation_models import DuplicateProposal, NotDuplicate, ProposedDuplicate
from app.library.decisions import Memory, Pair, Settled, drop_empty, put_into
from app.library.duplicates import elect_representatives, link
from app.library.grouping import lock_grouping
from app.library.models import DuplicateGroup, Image, ImageState

MOST_PARTED: Final = 60
"""So many images are parted from each other at once at most: that makes 1,770 pairs to remember."""


_LONGEST: Final = 19
"""Digits that an id does not reach."""


class BundleKind(StrEnum):
    """Images shown together: a group that there is, or one that is proposed."""

    GROUP = "group"
    PROPOSAL = "proposal"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A group or a proposal by its id."""

    kind: BundleKind
    id: int

    @classmethod
    def named(cls, name: str) -> Bundle:
        """The bundle of a name such as "group-12". Raises NotFound for what is no such name."""
        kind, _, number = name.partition("-")
        if kind not in set(BundleKind) or not (number.isascii() and number.isdigit() and len(number) < _LONGEST):
            raise NotFound(tr("no such duplicates"))
        return cls(BundleKind(kind), int(number))

    @property
    def name(self) -> str:
        """Such as "group-12"."""
        return f"{self.kind}-{self.id}"


def members_of(session: Session, bundle: Bundle, project_id: int) -> list[int]:
    """Ids of the images that are in it and not removed. Raises NotFound where it is gone, or settled for a proposal."""
    there = ~Image.state.in_((ImageState.REMOVED.value, ImageState.QUARANTINED.value))
    if bundle.kind is BundleKind.GROUP:
        own = Image.duplicate_group_id == bundle.id
        found = session.scalar(
            select(DuplicateGroup.id).where(DuplicateGroup.id == bundle.id, DuplicateGroup.project_id == project_id)
        )
    else:
        own = Image.id.in_(select(ProposedDuplicate.image_id).where(ProposedDuplicate.proposal_id == bundle.id))
        found = session.scalar(
            select(DuplicateProposal.id).where(
                DuplicateProposal.id == bundle.id,
                DuplicateProposal.project_id == project_id,
                DuplicateProposal.settled_at.is_(None),
            )
        )
    if found is None:
        raise NotFound(tr("these duplicates have been settled or regrouped meanwhile"))
    return list(session.scalars(select(Image.id).where(own, Image.project_id == project_id, there).order_by(Image.id)))


def keep(session: Session, bundle: Bundle, *, project_id: int, user_id: int) -> Settled:
    """They show the same picture: a proposal becomes a group (groups that it links become one), a group is confirmed.

    Raises NotFound, and Conflict where fewer than two images are left or where some of them have been parted.
    """
    lock_grouping(session, project_id)
    members = members_of(session, bundle, project_id)
    _require_two(members)
    memory = Memory(session, project_id)
    memory.of_images(members)
    groups = [bundle.id]
    if bundle.kind is BundleKind.PROPOSAL:
        groups = link(session, project_id, [(members[0], other) for other in members[1:]])
        if len(set(session.scalars(_groups_of(session, members)))) != 1:
            raise Conflict(tr("some of these images were parted before; undo that first, or take them out"))
        _close_proposal(session, bundle.id, memory)
    confirmed = update(DuplicateGroup).where(DuplicateGroup.id.in_(groups)).values(settled_at=now())
    session.execute(confirmed, execution_options={"synchronize_session": False})
    summary = tr("Kept %(n)s images as one group", n=f"{len(members):,}")
    return memory.close(kind="keep", summary=summary, user_id=user_id)


def split(session: Session, bundle: Bundle, chosen: Sequence[int], *, project_id: int, user_id: int) -> Settled:
    """The chosen images show something else than the rest; without any, no two of them show the same.

    The chosen of a group leave it, as a group of their own where they are several; those of a proposal make one of
    their own. Raises NotFound, InvalidInput for images that are not in it, Conflict where too many are to be parted.
    """
    lock_grouping(session, project_id)
    members = members_of(session, bundle, project_id)
    _require_two(members)
    leaving = sorted(set(chosen))
    if not set(leaving) <= set(members) or len(leaving) == len(members):
        raise InvalidInput(tr("choose some of the images that are shown, not all"))
    if not leaving and len(members) > MOST_PARTED:
        limit = tr("at most %(n)s images are parted from each other at once", n=MOST_PARTED)
        raise Conflict(f"{limit}; {tr('choose those that do not belong')}")
    memory = Memory(session, project_id)
    memory.of_images(members)
    if bundle.kind is BundleKind.GROUP:
        _split_group(session, bundle.id, members, leaving, memory)
    else:
        _split_proposal(session, bundle.id, members, leaving, memory)
    summary = tr("Parted %(n)s images from their duplicates", n=f"{len(leaving or members):,}")
    return memory.close(kind="split", summary=summary, user_id=user_id)


def choose(session: Session, bundle: Bundle, image_id: int, *, project_id: int, user_id: int) -> Settled:
    """Let this image stand for its group. Raises NotFound, and InvalidInput for an image that is not in the group."""
    lock_grouping(session, project_id)
    if bundle.kind is not BundleKind.GROUP or image_id not in members_of(session, bundle, project_id):
        raise InvalidInput(tr("a representative is one of its group's images"))
    memory = Memory(session, project_id)
    memory.of_groups([bundle.id])
    chosen = update(DuplicateGroup).where(DuplicateGroup.id == bundle.id).values(representative_id=image_id)
    session.execute(chosen, execution_options={"synchronize_session": False})
    elect_representatives(session, [bundle.id])
    return memory.close(kind="choose", summary=tr("Chose another representative"), user_id=user_id)


def _require_two(members: list[int]) -> None:
    if len(members) < 2:  # noqa: PLR2004 - a picture and its like
        raise Conflict(tr("only one image is left of these duplicates"))


def _groups_of(session: Session, image_ids: list[int]) -> Select[int | None]:
    return select(Image.duplicate_group_id).where(Image.id.in_(id_rows(session, image_ids)))


def _close_proposal(session: Session, proposal_id: int, memory: Memory) -> None:
    closed = update(DuplicateProposal).where(DuplicateProposal.id == proposal_id).values(settled_at=now())
    session.execute(closed, execution_options={"synchronize_session": False})
    memory.proposals.append(proposal_id)


def _split_group(session: Session, group: int, members: list[int], leaving: list[int], memory: Memory) -> None:
    """Removed images, which nobody sees here, stay with the rest."""
    gone = [image_id for image_id in memory.images if image_id not in set(members)]
    parts = [[*(m for m in members if m not in set(leaving)), *gone], leaving] if leaving else [[m] for m in members]
    firsts = [part[0] for part in parts]
    memory.part(combinations(firsts, 2))
    memory.part(_inherited(session, list(memory.images), firsts))
    for part in parts[1:] if leaving or gone else parts:
        made = None
        if len(part) > 1:
            row = {"project_id": memory.project_id, "created_at": now()}
            made = session.scalars(insert(DuplicateGroup).returning(DuplicateGroup.id), row).one()
        put_into(session, part, made)
        elect_representatives(session, [made] if made else [])
    if len(parts[0]) == 1 and leaving:
        put_into(session, parts[0], None)
    changed = update(DuplicateGroup).where(DuplicateGroup.id == group, DuplicateGroup.representative_id.in_(leaving))
    session.execute(changed.values(representative_id=None), execution_options={"synchronize_session": False})
    drop_empty(session, [group])
    elect_representatives(session, [group])


def _inherited(session: Session, members: list[int], firsts: list[int]) -> list[Pair]:
    """What was parted from the whole group stays parted from each of its parts."""
    rows = id_rows(session, members)
    found = session.execute(
        select(NotDuplicate.low_id, NotDuplicate.high_id).where(
            NotDuplicate.low_id.in_(rows) | NotDuplicate.high_id.in_(rows)
        )
    )
    inside = set(members)
    strangers = {image_id for pair in found for image_id in pair} - inside
    return list(product(firsts, sorted(strangers)))


def _split_proposal(session: Session, proposal: int, members: list[int], leaving: list[int], memory: Memory) -> None:
    rest = [image_id for image_id in members if image_id not in set(leaving)]
    pairs = product(leaving, rest) if leaving else combinations(members, 2)
    group = {image_id: before for image_id, (before, _) in memory.images.items()}
    memory.part((one, other) for one, other in pairs if group[one] is None or group[one] != group[other])
    _close_proposal(session, proposal, memory)
    if not leaving:
        return
    kind = session.scalar(select(DuplicateProposal.kind).where(DuplicateProposal.id == proposal))
    distance = dict(
        session.execute(
            select(ProposedDuplicate.image_id, ProposedDuplicate.distance).where(
                ProposedDuplicate.proposal_id == proposal
            )
        ).all()
    )
    for part in (rest, leaving):
        if len(part) > 1:
            row = {"project_id": memory.project_id, "kind": kind, "created_at": now()}
            made = session.scalars(insert(DuplicateProposal).returning(DuplicateProposal.id), row).one()
            memory.made_proposals.append(made)
            rows = [{"proposal_id": made, "image_id": image_id, "distance": distance[image_id]} for image_id in part]
            session.execute(insert(ProposedDuplicate), rows)
