"""What a person settled, remembered so that it can be taken back as one: groups, retirements, partings, proposals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, id_rows, insert_into
from app.core.errors import Conflict, NotFound
from app.core.texts import tr
from app.library.curation_models import (
    ActiveShare,
    CurationDecision,
    DuplicateProposal,
    NotDuplicate,
    ProposedDuplicate,
)
from app.library.duplicates import elect_representatives
from app.library.grouping import lock_grouping
from app.library.models import DuplicateGroup, Image, LabelConflict

_PLAIN = {"synchronize_session": False}
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a decision did. `retired` images measure no more, since their group trains or stops on another side."""

    decision_id: int
    summary: str
    retired: int = 0


@dataclass(frozen=True, slots=True)
class Undone:
    """What taking a decision back did. `measures_again` are images that it had retired from measuring."""

    summary: str
    measures_again: int
    label_action_id: int | None


@dataclass(slots=True)
class Memory:
    """How things were before a decision, noted by it as it goes."""

    session: Session
    project_id: int
    images: dict[int, tuple[int | None, bool]] = field(default_factory=dict)
    groups: list[Json] = field(default_factory=list)
    parted: list[Pair] = field(default_factory=list)
    proposals: list[int] = field(default_factory=list)
    made_proposals: list[int] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)
    subjects: list[int] = field(default_factory=list)

    def of_groups(self, groups: Iterable[int]) -> None:
        """Note groups and all their images."""
        ids = sorted(set(groups))
        found = self.session.execute(
            select(DuplicateGroup.id, DuplicateGroup.representative_id, DuplicateGroup.settled_at).where(
                DuplicateGroup.id.in_(id_rows(self.session, ids))
            )
        )
        self.groups += [
            {"id": group, "representative": chosen, "settled": settled_at is not None}
            for group, chosen, settled_at in found
        ]
        self._note(select(Image.id, Image.duplicate_group_id, Image.leaked).where(Image.duplicate_group_id.in_(ids)))

    def of_images(self, image_ids: Sequence[int]) -> None:
        """Note images, with their groups."""
        rows = id_rows(self.session, list(image_ids))
        self._note(select(Image.id, Image.duplicate_group_id, Image.leaked).where(Image.id.in_(rows)))
        self.of_groups({group for group, _ in self.images.values() if group is not None} - self._group_ids)

    @property
    def _group_ids(self) -> set[int]:
        return {group["id"] for group in self.groups}

    def _note(self, query: Any) -> None:
        for image_id, group, leaked in self.session.execute(query):
            self.images.setdefault(image_id, (group, leaked))

    def part(self, pairs: Iterable[Pair]) -> None:
        """Record that these images do not show the same picture."""
        wanted = sorted({(min(pair), max(pair)) for pair in pairs})
        known = self.session.execute(
            select(NotDuplicate.low_id, NotDuplicate.high_id).where(
                NotDuplicate.low_id.in_(id_rows(self.session, [low for low, _ in wanted]))
            )
        )
        new = sorted(set(wanted) - {(low, high) for low, high in known})
        rows = [{"project_id": self.project_id, "low_id": low, "high_id": high} for low, high in new]
        if rows:
            self.session.connection().execute(insert_into(self.session, NotDuplicate), rows)
        self.parted += new

    def close(self, *, kind: str, summary: str, user_id: int | None, label_action_id: int | None = None) -> Settled:
        """Keep the memory as a decision, with what became of the images."""
        query = select(Image.id, Image.duplicate_group_id, Image.leaked)
        after = {
            image_id: (group, leaked)
            for image_id, group, leaked in self.session.execute(
                query.where(Image.id.in_(id_rows(self.session, list(self.images))))
            )
        }
        rows = [[image_id, *before, *after[image_id]] for image_id, before in self.images.items()]
        memory = {
            "images": rows,
            "groups": self.groups,
            "parted": self.parted,
            "proposals": self.proposals,
            "made_proposals": self.made_proposals,
            "conflicts": self.conflicts,
            "subjects": self.subjects,
        }
        made = insert(CurationDecision).returning(CurationDecision.id)
        values = {"kind": kind, "summary": summary[:500], "memory": memory, "label_action_id": label_action_id}
        decision_id = self.session.scalars(
            made, {"project_id": self.project_id, "user_id": user_id, "created_at": now(), **values}
        ).one()
        return Settled(decision_id, summary, retired=sum(bool(row[4]) and not row[2] for row in rows))


def undo_decision(session: Session, decision_id: int, *, project_id: int, user_id: int) -> Undone:
    """Take a decision back as one. Label events are labelling's to undo: `label_action_id` says which.

    Raises NotFound, and Conflict where it is undone already or its groups have changed since.
    """
    lock_grouping(session, project_id)
    decision = session.scalar(
        select(CurationDecision)
        .where(CurationDecision.id == decision_id, CurationDecision.project_id == project_id)
        .with_for_update()
    )
    if decision is None:
        raise NotFound(tr("no decision %(id)s in this project", id=decision_id))
    if decision.undone_at is not None:
        raise Conflict(tr("this is undone already"))
    decision.undone_at, decision.undone_by = now(), user_id
    memory = decision.memory
    moved = [row for row in memory["images"] if row[1] != row[3]]
    _require_unchanged(session, moved)
    _restore_groups(session, project_id, memory["groups"], emptied={row[1] for row in moved})
    again = _restore_images(session, memory["images"])
    for low, high in memory["parted"]:
        session.execute(delete(NotDuplicate).where(NotDuplicate.low_id == low, NotDuplicate.high_id == high))
    withdraw(session, memory["made_proposals"])
    for table, ids in ((DuplicateProposal, memory["proposals"]), (LabelConflict, memory["conflicts"])):
        reopened = update(table).where(table.id.in_(id_rows(session, ids))).values(settled_at=None)
        session.execute(reopened, execution_options=_PLAIN)
    asked_again = update(ActiveShare).where(ActiveShare.image_id.in_(id_rows(session, memory["subjects"])))
    session.execute(asked_again.values(is_settled=False), execution_options=_PLAIN)
    session.flush()
    return Undone(decision.summary, again, decision.label_action_id)


def _require_unchanged(session: Session, images: list[list[Any]]) -> None:
    wanted = {image_id: group for image_id, _, _, group, _ in images}
    rows = session.execute(
        select(Image.id, Image.duplicate_group_id).where(Image.id.in_(id_rows(session, list(wanted))))
    )
    if any(wanted[image_id] != group for image_id, group in rows):
        raise Conflict(tr("these images have been grouped otherwise since; undo what came later first"))


def _restore_groups(session: Session, project_id: int, groups: list[Json], *, emptied: set[int | None]) -> None:
    ids = [group["id"] for group in groups]
    present = set(session.scalars(select(DuplicateGroup.id).where(DuplicateGroup.id.in_(id_rows(session, ids)))))
    gone = [
        {"id": group["id"], "project_id": project_id, "created_at": now()}
        for group in groups
        if group["id"] not in present and group["id"] in emptied
    ]
    if gone:
        session.execute(insert(DuplicateGroup), gone)
    for group in groups:
        settled_at = func.coalesce(DuplicateGroup.settled_at, now()) if group["settled"] else None
        values: dict[str, Any] = {"representative_id": group["representative"], "settled_at": settled_at}
        session.execute(
            update(DuplicateGroup).where(DuplicateGroup.id == group["id"]).values(**values), execution_options=_PLAIN
        )


def _restore_images(session: Session, images: list[list[Any]]) -> int:
    """Put images back into the groups they were in; returns how many measure again."""
    by_group: dict[int | None, list[int]] = {}
    for image_id, before, _, after, _ in images:
        if before != after:
            by_group.setdefault(before, []).append(image_id)
    for group, ids in by_group.items():
        put_into(session, ids, group)
    again = [image_id for image_id, _, leaked_before, _, leaked_after in images if leaked_after and not leaked_before]
    freed = update(Image).where(Image.id.in_(id_rows(session, again))).values(leaked=False)
    session.execute(freed, execution_options=_PLAIN)
    touched = {group for _, before, _, after, _ in images for group in (before, after) if group is not None}
    drop_empty(session, sorted(touched))
    elect_representatives(session, sorted(touched))
    return len(again)


def put_into(session: Session, image_ids: list[int], group: int | None) -> None:
    """Move images into a group, or out of any: on its own, an image stands for itself."""
    values: dict[str, Any] = {"duplicate_group_id": group}
    if group is None:
        values["is_representative"] = True
    moved = update(Image).where(Image.id.in_(id_rows(session, image_ids))).values(**values)
    session.execute(moved, execution_options=_PLAIN)


def drop_empty(session: Session, groups: list[int]) -> None:
    """Delete those of the groups that hold no image."""
    empty = ~exists().where(Image.duplicate_group_id == DuplicateGroup.id)
    gone = delete(DuplicateGroup).where(DuplicateGroup.id.in_(id_rows(session, groups)), empty)
    session.execute(gone, execution_options=_PLAIN)


def withdraw(session: Session, proposals: list[int]) -> None:
    """Delete those of the proposals that are open: a newer search or an undo has taken their place."""
    chosen = (DuplicateProposal.id.in_(id_rows(session, proposals)), DuplicateProposal.settled_at.is_(None))
    images = ProposedDuplicate.proposal_id.in_(select(DuplicateProposal.id).where(*chosen))
    session.execute(delete(ProposedDuplicate).where(images), execution_options=_PLAIN)
    session.execute(delete(DuplicateProposal).where(*chosen), execution_options=_PLAIN)
