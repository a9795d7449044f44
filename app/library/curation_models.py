"""Tables of curation: what is proposed to be duplicates, what a person decided, and how to take that back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table

_OPEN = text("settled_at IS NULL")


class DuplicateProposal(Table):
    """Images that may show the same picture: near by hash or by embedding, but not so near that it is sure.

    A search replaces the open proposals of its kind; a settled one stays, with the decision that settled it.
    """

    __tablename__ = "duplicate_proposal"
    __table_args__ = (
        CheckConstraint("kind IN ('hash','embedding')", name="kind"),
        Index(
            "ix_duplicate_proposal_open",
            "project_id",
            "kind",
            "id",
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    kind: Mapped[str]
    settled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class ProposedDuplicate(Table):
    """An image of a proposal; where it is in a duplicate group already, it stands for that group.

    `distance` is that of the closest link by which it got in: bits that differ, or one less the cosine.
    """

    __tablename__ = "proposed_duplicate"

    proposal_id: Mapped[int] = mapped_column(ForeignKey("duplicate_proposal.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True, index=True)
    distance: Mapped[float]


class NotDuplicate(Table):
    """Two images that a person parted: neither they nor the groups they are in are joined or proposed again."""

    __tablename__ = "not_duplicate"

    low_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    high_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True, index=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)


class ActiveShare(Table):
    """How much of an image the reference trunk is active in, 0 to 1: a small share may be a small subject.

    `is_settled` once a person has confirmed that it is, or turned that down.
    """

    __tablename__ = "active_share"
    __table_args__ = (Index("ix_active_share_order", "project_id", "share", "image_id"),)

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"))
    share: Mapped[float]
    is_settled: Mapped[bool] = mapped_column(default=False)


class CurationDecision(Table):
    """What a person settled about duplicates, conflicts or proposals, with what it takes to undo that as one."""

    __tablename__ = "curation_decision"
    __table_args__ = (Index("ix_curation_decision_newest", "project_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str]
    summary: Mapped[str]
    memory: Mapped[Json]
    label_action_id: Mapped[int | None] = mapped_column(ForeignKey("label_action.id"))
    created_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
