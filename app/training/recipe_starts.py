"""Starting recipes: by hand, after new labels, on a schedule; never twice, and never while the last run goes on.

Who starts raises `Recipe.starts` from the number they saw, in the transaction that queues the run: several beats and
workers may look at once, and one of them starts. A time that was missed is caught up once, as the next one is reckoned
from now.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, WinnowError
from app.core.logging import get_logger
from app.datasets.models import Snapshot
from app.projects.models import Project
from app.registry.models import VersionState
from app.registry.queries import newest_versions, production
from app.training.ends import await_end, tell_held
from app.training.models import TrainingRun
from app.training.recipe_models import Recipe, RecipeRun
from app.training.recipe_queries import labels_since, last_outcome
from app.training.recipe_schemas import Why
from app.training.recipes import living_recipe, newest_action, next_start, spec_of
from app.training.schemas import TrainingRequest
from app.training.service import plan_for, request_training

log = get_logger(__name__)
UNCHANGED = "unchanged"


def start_now(recipe_id: int, *, project_id: int, user_id: int) -> int:
    """Start a recipe by hand; returns the run's id.

    Raises NotFound, Conflict (its last run goes on; somebody else started it just now) and whatever `start_training`
    raises.
    """
    with read() as session:
        recipe = living_recipe(session, recipe_id, project_id)
        last = last_outcome(session, recipe_id)
    if last is not None and last.is_open:
        raise Conflict(
            f"Run {last.run_id} of this recipe is not done yet: wait for it, or cancel it.",
            code="recipe_running",
            detail={"run_id": last.run_id},
        )
    run_id = _start(recipe, why="hand", user_id=user_id)
    if run_id is None:
        raise Conflict("Somebody else started this recipe just now.", code="recipe_running")
    return run_id


def start_due() -> int:
    """Start what is due; returns how many runs were queued. Due each minute; safe to run twice at once, at any time."""
    with read() as session:
        waiting = session.scalars(
            select(Recipe)
            .join(Project, Project.id == Recipe.project_id)
            .where(
                Recipe.trigger != "hand",
                Recipe.deleted_at.is_(None),
                Recipe.paused_at.is_(None),
                Project.archived_at.is_(None),
            )
            .order_by(Recipe.id)
        ).all()
        due = [recipe for recipe in waiting if _is_due(session, recipe)]
    return sum(_start_unattended(recipe) for recipe in due)


def _is_due(session: Session, recipe: Recipe) -> bool:
    """Whether it should start now. While its last run goes on it waits, and stays due."""
    if recipe.trigger == "schedule":
        is_time = recipe.next_at is not None and recipe.next_at <= now()
    else:
        wanted = recipe.new_labels or 1
        is_time = labels_since(session, recipe, most=wanted) >= wanted
    if not is_time:
        return False
    last = last_outcome(session, recipe.id)
    return last is None or not last.is_open


def _start_unattended(recipe: Recipe) -> bool:
    """Start it, or keep the reason why it cannot, which counts as its start: it tries again when it is due again."""
    why: Why = "labels" if recipe.trigger == "labels" else "schedule"
    try:
        return _start(recipe, why=why, user_id=None) is not None
    except (WinnowError, ValueError) as refused:  # ValueError: a recipe with a setting that no longer exists
        reason = refused.message if isinstance(refused, WinnowError) else "A setting of this recipe no longer exists."
        code = refused.code if isinstance(refused, WinnowError) else "recipe_outdated"
        log.info("recipe did not start", recipe_id=recipe.id, code=code, reason=reason)
        with write() as session:
            if _claim(session, recipe, why=why):
                _hold(session, recipe, code=code, reason=reason)
        return False


def _start(recipe: Recipe, *, why: Why, user_id: int | None) -> int | None:
    """Queue a run of the recipe; None where somebody else was first. Raises as `start_training`."""
    with read() as session:
        request = _request(session, recipe, user_id)
        plan = plan_for(session, request)
        if why == "schedule" and plan is not None:
            _refuse_unchanged(session, recipe, plan.fingerprint)
    with write() as session:
        if not _claim(session, recipe, why=why):
            return None
        run_id = request_training(session, request, plan=plan)
        session.add(RecipeRun(run_id=run_id, recipe_id=recipe.id, why=why))
        await_end(session, run_id, user_id=user_id)
        return run_id


def _claim(session: Session, recipe: Recipe, *, why: Why) -> bool:
    """Take this start: False where somebody else took it, or the recipe was paused or deleted meanwhile."""
    at = now()
    is_met = recipe.next_at is not None and recipe.next_at <= at
    may_start = (Recipe.paused_at.is_(None),) if why != "hand" else ()
    statement = (
        update(Recipe)
        .where(Recipe.id == recipe.id, Recipe.starts == recipe.starts, Recipe.deleted_at.is_(None), *may_start)
        .values(
            starts=Recipe.starts + 1,
            next_at=next_start(recipe, at) if is_met else recipe.next_at,
            counted_from=newest_action(session, recipe.project_id),
            held_code=None,
            held_reason=None,
            held_at=None,
        )
    )
    return session.connection().execute(statement).rowcount == 1


def _hold(session: Session, recipe: Recipe, *, code: str, reason: str) -> None:
    """Keep why it did not start, and tell people where that is news."""
    session.execute(
        update(Recipe).where(Recipe.id == recipe.id).values(held_code=code, held_reason=reason, held_at=now())
    )
    if code not in {recipe.held_code, UNCHANGED, "identical_run"}:
        tell_held(session, recipe, reason)


def _request(session: Session, recipe: Recipe, user_id: int | None) -> TrainingRequest:
    """What the recipe asks for today. Raises InvalidInput where the version it starts from is not there."""
    spec = spec_of(recipe)
    asked = spec.choices.model_dump()
    if spec.parent in {"newest", "production"}:
        asked["parent_version_id"] = _parent(session, recipe.project_id, spec.parent)
        if asked["parent_version_id"] is not None:
            asked["trunk"] = None
            asked["input_size"] = None if spec.choices.start == "head_only" else asked["input_size"]
        elif spec.choices.start == "warm":
            which = "in production" if spec.parent == "production" else "yet"
            raise InvalidInput(f"A warm start needs an earlier version; there is none {which}.", code="no_parent")
    return TrainingRequest(**asked, project_id=recipe.project_id, created_by=user_id)


def _parent(session: Session, project_id: int, which: str) -> int | None:
    if which == "production":
        serving = production(session, project_id)
        return serving.version_id if serving else None
    versions = newest_versions(session, project_id, throwaway=False)
    return next((each.id for each in versions if each.state != VersionState.REJECTED), None)


def _refuse_unchanged(session: Session, recipe: Recipe, fingerprint: str) -> None:
    """A schedule does not train again on the same images: from version to version, nothing but weights would change.

    Raises Conflict.
    """
    last = session.execute(
        select(TrainingRun.run_id, Snapshot.fingerprint)
        .join(RecipeRun, RecipeRun.run_id == TrainingRun.run_id)
        .join(Snapshot, Snapshot.id == TrainingRun.snapshot_id)
        .where(RecipeRun.recipe_id == recipe.id)
        .order_by(RecipeRun.run_id.desc())
        .limit(1)
    ).one_or_none()
    outcome = last_outcome(session, recipe.id)
    if last is None or outcome is None or outcome.state != "succeeded" or last.fingerprint != fingerprint:
        return
    if recipe.changed_at <= outcome.at:
        raise Conflict(f"Nothing has changed since run {last.run_id}: the same images and labels.", code=UNCHANGED)
