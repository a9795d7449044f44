"""Recipes as they are written: made, changed, paused, deleted and brought back, followed. Starts: recipe_starts.py."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import insert_into
from app.core.errors import Conflict, InvalidInput, NotFound
from app.labelling.models import LabelAction
from app.library.views import get_view
from app.registry.queries import get_version
from app.training.recipe_models import Recipe, RecipeFollower
from app.training.recipe_schemas import TIMING, RecipeSpec, next_time

MOST_RECIPES: Final = 200


def create_recipe(session: Session, *, project_id: int, spec: RecipeSpec, user_id: int | None) -> int:
    """Write a recipe down; its maker is told how its runs end. Returns its id. Needs a write session.

    Raises InvalidInput, NotFound (a parent or view that is not there), Conflict (the name is taken).
    """
    kept = select(func.count()).select_from(Recipe).where(Recipe.project_id == project_id)
    if (session.scalar(kept) or 0) >= MOST_RECIPES:
        raise InvalidInput(f"a project has at most {MOST_RECIPES} recipes, deleted ones counted")
    _check(session, project_id, spec)
    at = now()
    recipe = Recipe(
        project_id=project_id,
        **spec.columns(),
        next_at=next_time(at, **spec.timing()) if spec.trigger == "schedule" else None,
        counted_from=newest_action(session, project_id),
        created_by=user_id,
        created_at=at,
        changed_at=at,
    )
    session.add(recipe)
    session.flush()
    return recipe.id


def change_recipe(session: Session, recipe_id: int, *, project_id: int, spec: RecipeSpec) -> None:
    """Write it anew. New labels count on from the last start; a changed schedule begins now. Raises as creating."""
    recipe = living_recipe(session, recipe_id, project_id)
    _check(session, project_id, spec, besides=recipe_id)
    values = spec.columns()
    is_new_time = any(getattr(recipe, name) != value for name, value in spec.timing().items())
    for name, value in values.items():
        setattr(recipe, name, value)
    if is_new_time:
        recipe.next_at = next_start(recipe, now())
    recipe.changed_at = now()
    recipe.held_code = recipe.held_reason = recipe.held_at = None


def pause_recipe(session: Session, recipe_id: int, *, project_id: int) -> Recipe:
    """It no longer starts by itself; by hand it still does."""
    recipe = living_recipe(session, recipe_id, project_id)
    recipe.paused_at = recipe.paused_at or now()
    return recipe


def continue_recipe(session: Session, recipe_id: int, *, project_id: int) -> Recipe:
    """It starts by itself again; a time that passed meanwhile is not caught up."""
    recipe = living_recipe(session, recipe_id, project_id)
    if recipe.paused_at is not None:
        recipe.paused_at = None
        recipe.next_at = next_start(recipe, now())
    return recipe


def delete_recipe(session: Session, recipe_id: int, *, project_id: int) -> Recipe:
    """Take it from the list; `restore_recipe` brings it back. Its runs stay as they are."""
    recipe = living_recipe(session, recipe_id, project_id)
    recipe.deleted_at = now()
    return recipe


def restore_recipe(session: Session, recipe_id: int, *, project_id: int) -> Recipe:
    """Bring a deleted recipe back. Raises NotFound, Conflict where another one has its name by now."""
    recipe = session.get(Recipe, recipe_id)
    if recipe is None or recipe.project_id != project_id or recipe.deleted_at is None:
        raise NotFound(f"there is no deleted recipe {recipe_id} in this project")
    _require_free(session, project_id, recipe.name, besides=recipe_id)
    recipe.deleted_at = None
    recipe.next_at = next_start(recipe, now())
    return recipe


def follow_recipe(session: Session, recipe_id: int, *, project_id: int, user_id: int) -> None:
    """Tell this user too how the recipe's runs end."""
    living_recipe(session, recipe_id, project_id)
    row = {"recipe_id": recipe_id, "user_id": user_id}
    session.connection().execute(insert_into(session, RecipeFollower).on_conflict_do_nothing(), [row])


def unfollow_recipe(session: Session, recipe_id: int, *, project_id: int, user_id: int) -> None:
    """No longer tell this user."""
    living_recipe(session, recipe_id, project_id)
    session.execute(
        delete(RecipeFollower).where(RecipeFollower.recipe_id == recipe_id, RecipeFollower.user_id == user_id)
    )


def living_recipe(session: Session, recipe_id: int, project_id: int) -> Recipe:
    """A recipe of this project that is not deleted. Raises NotFound."""
    recipe = session.get(Recipe, recipe_id)
    if recipe is None or recipe.project_id != project_id or recipe.deleted_at is not None:
        raise NotFound(f"there is no recipe {recipe_id} in this project")
    return recipe


def spec_of(recipe: Recipe) -> RecipeSpec:
    """The recipe as it was written. Raises ValidationError where a setting of it no longer exists."""
    return RecipeSpec.model_validate({name: getattr(recipe, name) for name in RecipeSpec.model_fields})


def next_start(recipe: Recipe, at: datetime) -> datetime | None:
    """The first time of its schedule after `at`; None for a recipe that has none."""
    if recipe.trigger != "schedule":
        return None
    timing = {name: getattr(recipe, name) for name in TIMING}
    return next_time(at, **timing)


def newest_action(session: Session, project_id: int) -> int:
    """The id of the newest label act of the project; 0 before the first."""
    return session.scalar(select(func.max(LabelAction.id)).where(LabelAction.project_id == project_id)) or 0


def _check(session: Session, project_id: int, spec: RecipeSpec, *, besides: int | None = None) -> None:
    """What the recipe names must be there, and its name be free."""
    choices = spec.choices
    if choices.view_id is not None:
        get_view(session, choices.view_id, project_id)
    if choices.parent_version_id is not None and get_version(session, choices.parent_version_id, project_id).throwaway:
        raise InvalidInput("a throw-away version is never a parent: choose another one", code="throwaway_parent")
    _require_free(session, project_id, spec.name, besides=besides)


def _require_free(session: Session, project_id: int, name: str, *, besides: int | None) -> None:
    taken = session.scalar(
        select(Recipe.id).where(Recipe.project_id == project_id, Recipe.name == name, Recipe.deleted_at.is_(None))
    )
    if taken not in (None, besides):
        raise Conflict(f"another recipe has the name {name}")
