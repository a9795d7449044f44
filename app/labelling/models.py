"""Tables of labelling: classes and their standard, the append-only label events, leases, second opinions, checks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, validates

from app.core.database import Json, Table


def folded(name: str) -> str:
    """A name without regard to capitals: what makes two names the same."""
    return name.casefold()


class _Named:
    """A table whose `folded_name` follows its `name`."""

    folded_name: Mapped[str]

    @validates("name")
    def _fold(self, _: str, name: str) -> str:
        self.folded_name = folded(name)
        return name


def _folded_of_insert(context: Any) -> str:
    """For rows that are inserted without the ORM."""
    return folded(context.get_current_parameters()["name"])


class LabelClass(_Named, Table):
    """A class of the project, with its labelling standard (`note`), colour (`#rrggbb`) and key (one character).

    An archived class carries no label; `merged_into_id` says where its labels went, so that what an older version
    suggests still finds its class. `trained_as_id` is the temporary merge: the class keeps its labels, and data sets,
    training and figures count them as that other class until the two are parted. `made_by_action_id` and
    `ended_by_action_id` name the act on labels (a split, a merge, a deletion) whose undo ends it, or brings it back.
    """

    __tablename__ = "label_class"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        UniqueConstraint("project_id", "folded_name"),
        CheckConstraint("trained_as_id IS NULL OR trained_as_id <> id", name="trained_as_another"),
        Index(
            "ix_label_class_key",
            "project_id",
            "key",
            unique=True,
            sqlite_where=text("key IS NOT NULL"),
            postgresql_where=text("key IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str]
    folded_name: Mapped[str] = mapped_column(default=_folded_of_insert)
    note: Mapped[str] = mapped_column(default="")
    colour: Mapped[str | None]
    key: Mapped[str | None]
    archived_at: Mapped[datetime | None]
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    trained_as_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    made_by_action_id: Mapped[int | None] = mapped_column(ForeignKey("label_action.id"))
    ended_by_action_id: Mapped[int | None] = mapped_column(ForeignKey("label_action.id"))
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class ClassAlias(_Named, Table):
    """Another name of a class: found by the type-ahead and by imports. Unique across the names of the project too.

    `came_from_id` is the class that it belonged to before that was merged into this one.
    """

    __tablename__ = "class_alias"
    __table_args__ = (UniqueConstraint("project_id", "folded_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"), index=True)
    came_from_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    name: Mapped[str]
    folded_name: Mapped[str]


class ClassExample(Table):
    """An image of the labelling standard: what the class looks like, or what does not belong in it, and why."""

    __tablename__ = "class_example"

    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    is_good: Mapped[bool]
    note: Mapped[str] = mapped_column(default="")


class LookAlike(Table):
    """Two classes that are mistaken for each other, and how to tell them apart. One row a pair, the lower id first."""

    __tablename__ = "look_alike"
    __table_args__ = (CheckConstraint("class_id < other_id", name="lower_first"),)

    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"), primary_key=True)
    other_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"), primary_key=True, index=True)
    note: Mapped[str] = mapped_column(default="")


class ClassProposal(_Named, Table):
    """A class that a labeller misses; a reviewer makes it, refuses it or says which class it is."""

    __tablename__ = "class_proposal"
    __table_args__ = (
        CheckConstraint("state IN ('open','made','refused','mapped')", name="state"),
        Index("ix_class_proposal_newest", "project_id", "state", "id"),
        Index(
            "ix_class_proposal_once",
            "project_id",
            "folded_name",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str]
    folded_name: Mapped[str] = mapped_column(default=_folded_of_insert)
    note: Mapped[str] = mapped_column(default="")
    image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id"))
    state: Mapped[str] = mapped_column(default="open")
    class_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    reason: Mapped[str] = mapped_column(default="")
    proposed_by: Mapped[int] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    settled_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    settled_at: Mapped[datetime | None]


class SubClass(Table):
    """A finer name inside a class (lion: male, female, cub)."""

    __tablename__ = "sub_class"
    __table_args__ = (UniqueConstraint("class_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"))
    name: Mapped[str]


class LabelAction(Table):
    """One act of a person, of one image or of thousands: what undo undoes.

    `images`, `skipped` (the first of them, with reasons) and `skipped_count` are the result that a repeated request
    with the same `request_key` gets again.
    """

    __tablename__ = "label_action"
    __table_args__ = (
        Index("ix_label_action_newest", "project_id", "id"),
        Index("ix_label_action_by_user", "project_id", "user_id", "id"),
        Index("ix_label_action_pace", "project_id", "user_id", "created_at"),
        Index(
            "ix_label_action_skipped",
            "project_id",
            "id",
            sqlite_where=text("skipped_count > 0"),
            postgresql_where=text("skipped_count > 0"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str]
    summary: Mapped[str]
    images: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[list[Json]] = mapped_column(default=list)
    skipped_count: Mapped[int] = mapped_column(default=0)
    request_key: Mapped[str | None] = mapped_column(unique=True)
    undoes_action_id: Mapped[int | None] = mapped_column(ForeignKey("label_action.id"))
    undone_by_action_id: Mapped[int | None] = mapped_column(ForeignKey("label_action.id"))
    created_at: Mapped[datetime]


class LabelEvent(Table):
    """Append-only: what one act changed on one image, from what to what, and who suggested it.

    Only `events.py` inserts here, nothing updates or deletes; an act leaves one event at most on an image.
    """

    __tablename__ = "label_event"
    __table_args__ = (
        CheckConstraint("how IN ('manual','grid','accepted_suggestion','import','bulk','review','undo')", name="how"),
        UniqueConstraint("action_id", "image_id"),
        Index("ix_label_event_image", "image_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    action_id: Mapped[int] = mapped_column(ForeignKey("label_action.id"))
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    how: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]
    from_state: Mapped[str]
    to_state: Mapped[str]
    from_class_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    to_class_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    from_sub_class_id: Mapped[int | None] = mapped_column(ForeignKey("sub_class.id"))
    to_sub_class_id: Mapped[int | None] = mapped_column(ForeignKey("sub_class.id"))
    from_quality: Mapped[str | None]
    to_quality: Mapped[str | None]
    from_rotation: Mapped[int]
    to_rotation: Mapped[int]
    from_is_small_subject: Mapped[bool]
    to_is_small_subject: Mapped[bool]
    suggested_by_version_id: Mapped[int | None] = mapped_column(ForeignKey("model_version.id"))
    suggestion_confidence: Mapped[float | None]


_OPEN = text("state IN ('waiting','disagreed')")


class SecondOpinion(Table):
    """A labelled image that somebody else was asked about, blind: the first label, the second, how it was settled.

    `waiting` → `agreed` | `disagreed` → `settled`; `void` where the label changed before the answer came. At most one
    is open for an image. `first_*` is the label asked about and who gave it; `second_*` the answer: no label event
    comes of it, only of the settlement (`settled_action_id`). `held_by` has it in front of them until `held_until`.
    """

    __tablename__ = "second_opinion"
    __table_args__ = (
        CheckConstraint("state IN ('waiting','agreed','disagreed','settled','void')", name="state"),
        CheckConstraint("why IN ('asked','sampled')", name="why"),
        CheckConstraint("(second_at IS NULL) = (second_state IS NULL)", name="answered_whole"),
        Index("ix_second_opinion_queue", "project_id", "state", "id"),
        Index("ix_second_opinion_once", "image_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_second_opinion_image", "image_id", "id"),
        Index(
            "ix_second_opinion_settled",
            "settled_action_id",
            sqlite_where=text("settled_action_id IS NOT NULL"),
            postgresql_where=text("settled_action_id IS NOT NULL"),
        ),
        Index("ix_second_opinion_second_user", "project_id", "second_user_id", "id"),
        Index("ix_second_opinion_first_user", "project_id", "first_user_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    why: Mapped[str]
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    asked_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="waiting")
    first_state: Mapped[str]
    first_class_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    first_sub_class_id: Mapped[int | None] = mapped_column(ForeignKey("sub_class.id"))
    first_user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    held_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    held_until: Mapped[datetime | None]
    second_state: Mapped[str | None]
    second_class_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    second_sub_class_id: Mapped[int | None] = mapped_column(ForeignKey("sub_class.id"))
    second_user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    second_at: Mapped[datetime | None]
    settled_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    settled_at: Mapped[datetime | None]
    settled_action_id: Mapped[int | None] = mapped_column(ForeignKey("label_action.id"))


class QualityCheck(Table):
    """A benchmark image with settled truth, put unseen among what a labeller labels: the truth then, and the answer.

    It changes no label. `is_right` is NULL where the answer says nothing about the class. `action_id` is the act that
    answered it, or that took the answer back; `version` is the label version that the labeller is told.
    """

    __tablename__ = "quality_check"
    __table_args__ = (
        Index("ix_quality_check_user", "project_id", "user_id", "id"),
        Index(
            "ix_quality_check_open",
            "user_id",
            "image_id",
            unique=True,
            sqlite_where=text("answered_at IS NULL"),
            postgresql_where=text("answered_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), index=True)
    truth_class_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    shown_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answer_state: Mapped[str | None]
    answer_class_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    answer_quality: Mapped[str | None]
    is_right: Mapped[bool | None]
    version: Mapped[int] = mapped_column(default=0)
    action_id: Mapped[int | None] = mapped_column(ForeignKey("label_action.id"), index=True)


class LabelRejection(Table):
    """Somebody looked at an image under a proposed class and took it out: it is not of that class.

    A fact about the image until it is labelled so after all, or until the act (`action_id`) it came with is undone.
    """

    __tablename__ = "label_rejection"
    __table_args__ = (Index("ix_label_rejection_newest", "project_id", "at", "image_id"),)

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    action_id: Mapped[int | None] = mapped_column(ForeignKey("label_action.id"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]
