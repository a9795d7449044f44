"""Reading recipes: the list, one of them with its runs, and how its newest run stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.errors import NotFound
from app.labelling.models import LabelAction, LabelEvent
from app.library.models import ImageState
from app.runs.models import Run, RunState
from app.training.recipe_models import Recipe, RecipeFollower, RecipeRun
from app.training.recipe_schemas import Outcome, RecipeView
from app.training.recipes import living_recipe, spec_of

_MOST_FOLLOWING: Final = 20
_DELETED_SHOWN: Final = 20
_OPEN: Final = (RunState.RUNNING, RunState.QUEUED)
RUNS_SHOWN: Final = 20


def chain(session: Session, run_id: int) -> list[Run]:
    """A run and everything that followed from it, in order: training, evaluation, identification."""
    found = [session.get_one(Run, run_id)]
    wave = [run_id]
    while wave and len(found) < _MOST_FOLLOWING:
        after = session.scalars(select(Run).where(Run.follows_run_id.in_(wave)).order_by(Run.id)).all()
        found += after
        wave = [run.id for run in after]
    return found


def deciding(runs: Sequence[Run]) -> Run:
    """The run of a chain that says how it stands: what goes on or waits, else what failed, else the last."""
    for states in (_OPEN, (RunState.FAILED,), (RunState.CANCELLED,)):
        if decisive := [run for run in runs if run.state in states]:
            return decisive[0]
    return runs[-1]


def outcome_of(session: Session, run_id: int) -> Outcome:
    """How a training run and what follows it stand, taken together."""
    runs = chain(session, run_id)
    decisive = deciding(runs)
    words = decisive.error_message or "" if decisive.state == RunState.FAILED else decisive.title
    if decisive.state == RunState.SUCCEEDED:
        result = runs[0].result or {}
        accuracy = result.get("validation_accuracy")
        measured = f", validation accuracy {accuracy:.3f}" if accuracy is not None else ""
        words = f"version {result.get('number')}{measured}"
    return Outcome(run_id, decisive.state, words, decisive.finished_at or runs[0].created_at)


def last_outcome(session: Session, recipe_id: int) -> Outcome | None:
    """How the newest run of a recipe stands; None before the first."""
    run_id = session.scalar(select(func.max(RecipeRun.run_id)).where(RecipeRun.recipe_id == recipe_id))
    return outcome_of(session, run_id) if run_id is not None else None


def recipe_runs(session: Session, recipe_id: int) -> list[tuple[Outcome, str]]:
    """The newest runs of a recipe, each with what started it."""
    rows = session.execute(
        select(RecipeRun.run_id, RecipeRun.why)
        .where(RecipeRun.recipe_id == recipe_id)
        .order_by(RecipeRun.run_id.desc())
        .limit(RUNS_SHOWN)
    )
    return [(outcome_of(session, run_id), why) for run_id, why in rows]


def labels_since(session: Session, recipe: Recipe, *, most: int) -> int:
    """New labels since the recipe's last start, counted up to `most`: images that got another class, undone acts apart.

    Walks the acts since then alone, so it costs what was labelled, whatever the size of the library.
    """
    is_other = LabelEvent.from_class_id.is_distinct_from(LabelEvent.to_class_id)
    found = (
        select(LabelEvent.id)
        .join(LabelAction, LabelAction.id == LabelEvent.action_id)
        .where(
            LabelAction.project_id == recipe.project_id,
            LabelAction.id > recipe.counted_from,
            LabelAction.undone_by_action_id.is_(None),
            LabelEvent.how != "undo",
            LabelEvent.to_state == ImageState.LABELLED,
            (LabelEvent.from_state != ImageState.LABELLED) | is_other,
        )
        .limit(most)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(found)) or 0


def list_recipes(session: Session, project_id: int, *, user_id: int) -> list[RecipeView]:
    """The recipes of a project, by name."""
    query = _recipes(project_id, user_id).where(Recipe.deleted_at.is_(None))
    return [_view(session, *row) for row in session.execute(query.order_by(Recipe.name, Recipe.id)).all()]


def deleted_recipes(session: Session, project_id: int, *, user_id: int) -> list[RecipeView]:
    """What can be brought back, last deleted first."""
    query = _recipes(project_id, user_id).where(Recipe.deleted_at.is_not(None))
    rows = session.execute(query.order_by(Recipe.deleted_at.desc(), Recipe.id).limit(_DELETED_SHOWN)).all()
    return [_view(session, *row) for row in rows]


def recipe_view(session: Session, recipe_id: int, project_id: int, *, user_id: int) -> RecipeView:
    """One recipe. Raises NotFound."""
    living_recipe(session, recipe_id, project_id)
    row = session.execute(_recipes(project_id, user_id).where(Recipe.id == recipe_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no recipe {recipe_id} in this project")
    return _view(session, *row)


def _recipes(project_id: int, user_id: int) -> Select[Recipe, str | None, bool]:
    is_followed = select(RecipeFollower.user_id).where(
        RecipeFollower.recipe_id == Recipe.id, RecipeFollower.user_id == user_id
    )
    query = select(Recipe, User.name, is_followed.exists()).outerjoin(User, User.id == Recipe.created_by)
    return query.where(Recipe.project_id == project_id)


def _view(session: Session, recipe: Recipe, made_by: str | None, is_followed: bool) -> RecipeView:
    counts = recipe.trigger == "labels" and recipe.deleted_at is None
    return RecipeView(
        id=recipe.id,
        name=recipe.name,
        spec=spec_of(recipe),
        is_paused=recipe.paused_at is not None,
        next_at=recipe.next_at if recipe.paused_at is None else None,
        labels_since=labels_since(session, recipe, most=recipe.new_labels or 1) if counts else None,
        last=last_outcome(session, recipe.id),
        held_reason=recipe.held_reason,
        held_at=recipe.held_at,
        made_by=made_by,
        changed_at=recipe.changed_at,
        is_followed=is_followed,
        is_deleted=recipe.deleted_at is not None,
    )
