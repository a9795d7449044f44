"""Recipes over the JSON API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from app.core.database import Json, read, write
from app.runs.queries import run_view
from app.training import recipe_queries as queries
from app.training import recipes
from app.training.recipe_schemas import RecipeSpec
from app.training.recipe_starts import start_now
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/api/v1/projects/{slug}/recipes", tags=["recipes"])
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
RecipeId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("")
def list_recipes(access: Viewer) -> list[Json]:
    """The recipes of the project, by name."""
    with read() as session:
        found = queries.list_recipes(session, access.project.id, user_id=access.user_id)
    return [each.to_public() for each in found]


@router.post("", status_code=201)
def create_recipe(access: Engineer, sent: RecipeSpec) -> Json:
    """Write a recipe down."""
    with write() as session:
        made = recipes.create_recipe(session, project_id=access.project.id, spec=sent, user_id=access.user_id)
    return _recipe(access, made)


@router.get("/{recipe_id}")
def get_recipe(access: Viewer, recipe_id: RecipeId) -> Json:
    """One recipe with its next start and how its last run stands."""
    return _recipe(access, recipe_id)


@router.put("/{recipe_id}")
def change_recipe(access: Engineer, recipe_id: RecipeId, sent: RecipeSpec) -> Json:
    """Write it anew."""
    with write() as session:
        recipes.change_recipe(session, recipe_id, project_id=access.project.id, spec=sent)
    return _recipe(access, recipe_id)


@router.post("/{recipe_id}/runs", status_code=201)
def run_recipe(access: Engineer, recipe_id: RecipeId) -> dict[str, Any]:
    """Start it now; the training run as it stands."""
    run_id = start_now(recipe_id, project_id=access.project.id, user_id=access.user_id)
    with read() as session:
        return run_view(session, run_id, access.project.id).to_public()


@router.delete("/{recipe_id}", status_code=204)
def delete_recipe(access: Engineer, recipe_id: RecipeId) -> None:
    """Take it from the list; the pages can bring it back."""
    with write() as session:
        recipes.delete_recipe(session, recipe_id, project_id=access.project.id)


def _recipe(access: Access, recipe_id: int) -> Json:
    with read() as session:
        return queries.recipe_view(session, recipe_id, access.project.id, user_id=access.user_id).to_public()
