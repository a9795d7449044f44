"""Pages of recipes: the list, one with its runs, the form, and what is done with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound, WinnowError
from app.library.views import list_views
from app.projects.notices import is_following
from app.registry.queries import newest_versions
from app.registry.trunks import TRUNKS
from app.training import recipe_queries as queries
from app.training import recipes
from app.training.fit_settings import DEFAULT_SETTINGS
from app.training.queries import defaults_for
from app.training.recipe_forms import choices_of_run, other_settings, spec_from
from app.training.recipe_schemas import WEEKDAYS, RecipeSpec
from app.training.recipe_starts import start_now
from app.training.schemas import START_TITLES, TrainingChoices
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import status_of
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/recipes", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
RecipeId = Annotated[int, Path(ge=1, le=2**62)]
Id = Annotated[int | None, Query(ge=1, le=2**62)]


@router.get("")
def recipes_page(request: Request, access: Viewer) -> Response:
    """Every recipe with its next start and how its last run ended."""
    with read() as session:
        found = queries.list_recipes(session, access.project.id, user_id=access.user_id)
        deleted = queries.deleted_recipes(session, access.project.id, user_id=access.user_id)
        follows = is_following(session, access.project.id, access.user_id)
    shown: dict[str, Any] = {"recipes": found, "deleted": deleted, "follows": follows, "starts": START_TITLES}
    return render(request, "training/recipes.html", active="runs", **shown)


@router.get("/new")
def new_recipe(request: Request, access: Engineer, run: Id = None, recipe: Id = None) -> Response:
    """The form, blank or with the settings of a run or of another recipe."""
    with read() as session:
        spec = _beginning(session, access, run=run, recipe=recipe)
    values = _values(spec) if spec else {}
    return _form(request, access, values, kept=spec.choices if spec else None, source={"run": run, "recipe": recipe})


@router.post("")
def create(request: Request, access: Engineer, form: FormFields) -> Response:
    """Write a recipe down."""
    source = {name: _id_in(form, f"from_{name}") for name in ("run", "recipe")}
    with read() as session:
        begun = _beginning(session, access, **source)
    kept = begun.choices if begun else None
    try:
        spec = spec_from(form, kept)
        with write() as session:
            made = recipes.create_recipe(session, project_id=access.project.id, spec=spec, user_id=access.user_id)
    except (InvalidInput, Conflict, NotFound) as refused:
        return _form(request, access, dict(form), kept=kept, source=source, refused=refused)
    return redirect(f"{_address(access)}/{made}", f"{spec.name} is written down.")


@router.get("/{recipe_id}")
def recipe_page(request: Request, access: Viewer, recipe_id: RecipeId) -> Response:
    """One recipe: what it does, when, and its runs."""
    with read() as session:
        recipe = queries.recipe_view(session, recipe_id, access.project.id, user_id=access.user_id)
        runs = queries.recipe_runs(session, recipe_id)
        versions = {each.id: each.number for each in newest_versions(session, access.project.id)}
    shown: dict[str, Any] = {"recipe": recipe, "runs": runs, "versions": versions, "starts": START_TITLES}
    return render(request, "training/recipe.html", active="runs", others=other_settings(recipe.spec.choices), **shown)


@router.get("/{recipe_id}/edit")
def edit_recipe(request: Request, access: Engineer, recipe_id: RecipeId) -> Response:
    """The form, as the recipe is."""
    with read() as session:
        recipe = queries.recipe_view(session, recipe_id, access.project.id, user_id=access.user_id)
    return _form(request, access, _values(recipe.spec), kept=recipe.spec.choices, recipe_id=recipe_id)


@router.post("/{recipe_id}")
def change(request: Request, access: Engineer, recipe_id: RecipeId, form: FormFields) -> Response:
    """Write it anew."""
    with read() as session:
        kept = queries.recipe_view(session, recipe_id, access.project.id, user_id=access.user_id).spec.choices
    try:
        spec = spec_from(form, kept)
        with write() as session:
            recipes.change_recipe(session, recipe_id, project_id=access.project.id, spec=spec)
    except (InvalidInput, Conflict, NotFound) as refused:
        return _form(request, access, dict(form), kept=kept, recipe_id=recipe_id, refused=refused)
    return redirect(f"{_address(access)}/{recipe_id}", f"{spec.name} is changed.")


@router.post("/{recipe_id}/run")
def run_now(access: Engineer, recipe_id: RecipeId) -> Response:
    """Start it by hand, or say on its page what stands in the way."""
    try:
        run_id = start_now(recipe_id, project_id=access.project.id, user_id=access.user_id)
    except (InvalidInput, Conflict) as refused:
        return redirect(f"{_address(access)}/{recipe_id}", refused.message, kind="warn")
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}")


@router.post("/{recipe_id}/pause")
def pause(access: Engineer, recipe_id: RecipeId) -> Response:
    """It no longer starts by itself."""
    with write() as session:
        name = recipes.pause_recipe(session, recipe_id, project_id=access.project.id).name
    return redirect(_address(access), f"{name} is paused: it starts by hand only.")


@router.post("/{recipe_id}/continue")
def go_on(access: Engineer, recipe_id: RecipeId) -> Response:
    """It starts by itself again."""
    with write() as session:
        name = recipes.continue_recipe(session, recipe_id, project_id=access.project.id).name
    return redirect(_address(access), f"{name} starts by itself again.")


@router.post("/{recipe_id}/delete")
def delete(access: Engineer, recipe_id: RecipeId) -> Response:
    """Take it from the list; it can be brought back there."""
    with write() as session:
        name = recipes.delete_recipe(session, recipe_id, project_id=access.project.id).name
    return redirect(_address(access), f"{name} is deleted. It can be brought back below.")


@router.post("/{recipe_id}/restore")
def restore(access: Engineer, recipe_id: RecipeId) -> Response:
    """Bring a deleted recipe back."""
    with write() as session:
        name = recipes.restore_recipe(session, recipe_id, project_id=access.project.id).name
    return redirect(_address(access), f"{name} is back.")


@router.post("/{recipe_id}/follow")
def follow(access: Viewer, recipe_id: RecipeId) -> Response:
    """Be told how its runs end."""
    access.refuse_archived()
    with write() as session:
        recipes.follow_recipe(session, recipe_id, project_id=access.project.id, user_id=access.user_id)
    return redirect(f"{_address(access)}/{recipe_id}", "You are told how each of its runs ends.")


@router.post("/{recipe_id}/unfollow")
def unfollow(access: Viewer, recipe_id: RecipeId) -> Response:
    """No longer be told."""
    access.refuse_archived()
    with write() as session:
        recipes.unfollow_recipe(session, recipe_id, project_id=access.project.id, user_id=access.user_id)
    return redirect(f"{_address(access)}/{recipe_id}", "You no longer follow this recipe.")


def _address(access: Access) -> str:
    return f"/projects/{access.project.slug}/recipes"


def _id_in(form: Mapping[str, Any], name: str) -> int | None:
    sent = str(form.get(name, ""))
    return int(sent) if sent.isdigit() and len(sent) < 19 else None  # noqa: PLR2004 - digits of 2**62


def _beginning(session: Session, access: Access, *, run: int | None, recipe: int | None) -> RecipeSpec | None:
    """What a new recipe begins with: another one, the settings of a run, or nothing."""
    if recipe is not None:
        spec = queries.recipe_view(session, recipe, access.project.id, user_id=access.user_id).spec
        return spec.model_copy(update={"name": f"{spec.name} copy"[:80]})
    if run is None:
        return None
    try:
        choices = choices_of_run(session, run, access.project.id)
    except ValidationError as error:
        raise InvalidInput("this run has settings that no longer exist; begin with a blank recipe") from error
    has_parent = choices.trunk is None and choices.start in {"warm", "head_only"}
    return RecipeSpec(name=f"As run {run}", choices=choices, parent="newest" if has_parent else "none")


def _values(spec: RecipeSpec) -> dict[str, Any]:
    """The form's fields as a recipe has them."""
    values = {**spec.choices.model_dump(exclude_none=True), **spec.model_dump(exclude={"choices"}, exclude_none=True)}
    if spec.parent == "version":
        values["parent"] = spec.choices.parent_version_id
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}


def _form(
    request: Request,
    access: Access,
    values: dict[str, Any],
    *,
    kept: TrainingChoices | None,
    recipe_id: int | None = None,
    source: dict[str, int | None] | None = None,
    refused: WinnowError | None = None,
) -> Response:
    with read() as session:
        proposed = defaults_for(session, access.project.id)
        versions = newest_versions(session, access.project.id, throwaway=False)
        views = list_views(session, access.project.id)
    return render(
        request,
        "training/recipe_form.html",
        http_status=status_of(refused) if refused else 200,
        active="runs",
        values=values,
        proposed=proposed,
        versions=versions,
        views=views,
        recipe_id=recipe_id,
        source=source or {},
        refused=refused,
        others=other_settings(kept) if kept else {},
        trunks=TRUNKS.values(),
        sizes=sorted({size for kind in TRUNKS.values() for size in kind.allowed_input_sizes}),
        starts=START_TITLES,
        weekdays=WEEKDAYS,
        settings={start: each.model_dump(mode="json") for start, each in DEFAULT_SETTINGS.items()},
    )
