"""Tables of recipes: what is asked again and again, the runs that came of it, and whose end has been told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table

_LIVING = text("deleted_at IS NULL")
_OPEN = text("told_at IS NULL OR is_lift_awaited")


class Recipe(Table):
    """A named training request with what starts it. Everything after `parent` but `paused_at` is kept by its starts.

    `choices` is a `TrainingChoices` as JSON; its parent is worked out at each start where `parent` is not `version`.
    `starts` counts starts and refusals: whoever raises it from the number they saw may start, so that nobody starts
    twice. `counted_from` is the newest label act at the last start, `held_*` why it did not start the last time.
    """

    __tablename__ = "recipe"
    __table_args__ = (
        CheckConstraint("parent IN ('none','newest','production','version')", name="parent"),
        CheckConstraint("trigger IN ('hand','labels','schedule')", name="trigger"),
        CheckConstraint("(trigger = 'labels') = (new_labels IS NOT NULL)", name="new_labels"),
        CheckConstraint("(trigger = 'schedule') = (every IS NOT NULL)", name="every"),
        Index(
            "ix_recipe_name",
            "project_id",
            "name",
            unique=True,
            sqlite_where=_LIVING,
            postgresql_where=_LIVING,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str]
    choices: Mapped[Json]
    parent: Mapped[str]
    trigger: Mapped[str]
    new_labels: Mapped[int | None]
    every: Mapped[str | None]
    every_hours: Mapped[int | None]
    at_hour: Mapped[int | None]
    weekday: Mapped[int | None]
    paused_at: Mapped[datetime | None]
    starts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]
    counted_from: Mapped[int] = mapped_column(default=0)
    held_code: Mapped[str | None]
    held_reason: Mapped[str | None]
    held_at: Mapped[datetime | None]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class RecipeRun(Table):
    """A run that a recipe started: by hand, for new labels, or because its time had come."""

    __tablename__ = "recipe_run"
    __table_args__ = (
        CheckConstraint("why IN ('hand','labels','schedule')", name="why"),
        Index("ix_recipe_run_newest", "recipe_id", "run_id"),
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    recipe_id: Mapped[int] = mapped_column(ForeignKey("recipe.id"))
    why: Mapped[str]


class RecipeFollower(Table):
    """Somebody who wants to know how each run of a recipe ends."""

    __tablename__ = "recipe_follower"

    recipe_id: Mapped[int] = mapped_column(ForeignKey("recipe.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)


class AwaitedEnd(Table):
    """A training run whose end somebody is told; of a throw-away one also when labelling has lifted its classes.

    `told_at` is when its success was told. `looked_at`: the end of a failure that was told, as it may be resumed; after
    `told_at`, when its classes were last counted.
    """

    __tablename__ = "awaited_end"
    __table_args__ = (Index("ix_awaited_end_open", "run_id", sqlite_where=_OPEN, postgresql_where=_OPEN),)

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    told_at: Mapped[datetime | None]
    is_lift_awaited: Mapped[bool] = mapped_column(default=False)
    looked_at: Mapped[datetime | None]
