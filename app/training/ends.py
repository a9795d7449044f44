"""Telling people how training runs end, and when labelling has lifted the classes that a throw-away run was made for.

Looked at each minute; a notice has a key, so that one told twice is read once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, read, write
from app.labelling.models import LabelClass
from app.library.models import ImageCount, ImageState
from app.projects.notices import Tone, tell
from app.projects.webhook_events import announce_event
from app.runs.models import Run, RunState
from app.training.models import TrainingRun
from app.training.queries import LiftedClass, below_cutoff
from app.training.recipe_models import AwaitedEnd, Recipe, RecipeFollower, RecipeRun
from app.training.recipe_queries import chain, deciding
from app.training.report import lifted_classes

_CLASSES_NAMED: Final = 5
_BETWEEN_LOOKS: Final = timedelta(minutes=10)
_MAY_BE_RESUMED: Final = timedelta(days=7)
IDENTIFY: Final = "identification.identify"


def await_end(session: Session, run_id: int, *, user_id: int | None) -> None:
    """Have the end of a training run told to who asked for it. Needs the write session that queues it."""
    throwaway = session.scalars(select(Run.throwaway).where(Run.id == run_id)).one()
    session.add(AwaitedEnd(run_id=run_id, user_id=user_id, is_lift_awaited=throwaway))


def tell_held(session: Session, recipe: Recipe, reason: str) -> None:
    """Tell who is concerned that a recipe did not start by itself."""
    tell(
        session,
        project_id=recipe.project_id,
        user_ids=_concerned(session, recipe),
        text=f"{recipe.name} did not start: {reason}",
        path=f"/recipes/{recipe.id}",
        tone="warn",
        key=f"recipe:{recipe.id}:{recipe.starts}",
    )


def tell_ends() -> int:
    """Tell what has ended or was lifted since the last look; returns how many runs that was."""
    with read() as session:
        is_recent = or_(AwaitedEnd.looked_at.is_(None), AwaitedEnd.looked_at > now() - _MAY_BE_RESUMED)
        open_ends = session.execute(
            select(AwaitedEnd, Run.project_id)
            .join(Run, Run.id == AwaitedEnd.run_id)
            .where(
                or_(
                    AwaitedEnd.told_at.is_(None) & is_recent,
                    AwaitedEnd.told_at.is_not(None) & AwaitedEnd.is_lift_awaited,
                )
            )
            .order_by(AwaitedEnd.run_id.desc())
        ).all()
        ended = [end.run_id for end, _ in open_ends if end.told_at is None and _has_ended(session, end)]
    waiting = [(end, project_id) for end, project_id in open_ends if end.told_at is not None]
    lifted = _newest_of_each_project(waiting)
    for run_id in ended:
        with write() as session:
            _tell_end(session, run_id)
    return len(ended) + sum(_tell_lifted(end) for end in lifted)


def _has_ended(session: Session, end: AwaitedEnd) -> bool:
    """Whether a run and all that follows have ended, otherwise than what was told of them before."""
    last = deciding(chain(session, end.run_id))
    return last.state not in {RunState.QUEUED, RunState.RUNNING} and last.finished_at != end.looked_at


def _tell_end(session: Session, run_id: int) -> None:
    runs = chain(session, run_id)
    training, last = runs[0], deciding(runs)
    end = session.get_one(AwaitedEnd, run_id)
    if last.state == RunState.SUCCEEDED:
        end.told_at, end.looked_at = now(), None
    else:
        end.looked_at = last.finished_at
    recipe = _recipe_of(session, run_id)
    concerned = _concerned(session, recipe) if recipe else set()
    tone, words = _words(training, last, runs)
    text, key = f"{recipe.name if recipe else training.title}: {words}", f"run:{run_id}:{last.finished_at}"
    path = f"/runs/{(last if last.state == RunState.FAILED else training).id}"
    tell(
        session,
        project_id=training.project_id,
        user_ids={*concerned, *([end.user_id] if end.user_id is not None else [])},
        text=text,
        path=path,
        tone=tone,
        key=key,
    )
    if recipe is not None:
        facts: Json = {"recipe_id": recipe.id, "recipe": recipe.name, "run_id": run_id, "state": last.state}
        facts["runs"] = [{"run_id": run.id, "kind": run.kind, "state": run.state} for run in runs]
        project_id = training.project_id
        announce_event(session, project_id=project_id, event="recipe.ended", key=key, text=text, path=path, facts=facts)


def _words(training: Run, last: Run, runs: list[Run]) -> tuple[Tone, str]:
    """How it ended: what was made and found, or what failed and why."""
    if last.state == RunState.FAILED:
        what = "training" if last is training else last.title.lower()
        return "error", f"{what} failed. {last.error_message or ''}".strip()
    if last.state == RunState.CANCELLED:
        return "info", "cancelled."
    result = training.result or {}
    accuracy = result.get("validation_accuracy")
    measured = f" with a validation accuracy of {accuracy:.3f}" if accuracy is not None else ""
    told = [f"version {result.get('number')} is trained and evaluated{measured}"]
    for run in runs:
        if run.kind == IDENTIFY:
            told += _found(run.result or {})
    return "good", "; ".join(told) + "."


def _found(result: Json) -> list[str]:
    """What an identification found for the classes below the cutoff, else how many images it went through."""
    candidates: dict[str, int] = result.get("candidates") or {}
    if not candidates:
        return [f"{result.get('images', 0):,} images are identified"]
    most_first = sorted(candidates.items(), key=lambda each: (-each[1], each[0]))
    words = [_count(name, count) for name, count in most_first[:_CLASSES_NAMED]]
    rest = len(candidates) - len(words)
    return [*words, f"and {rest} more classes below the cutoff"] if rest else words


def _count(name: str, count: int) -> str:
    return f"{name}: {count:,} {'candidate' if count == 1 else 'candidates'} found"


def _newest_of_each_project(waiting: list[tuple[AwaitedEnd, int]]) -> list[AwaitedEnd]:
    """The newest throw-away run of each project, where it may be looked at again; what older ones took is its too."""
    newest: dict[int, AwaitedEnd] = {}
    for end, project_id in waiting:
        newest.setdefault(project_id, end)
    return [each for each in newest.values() if each.looked_at is None or each.looked_at < now() - _BETWEEN_LOOKS]


def _tell_lifted(end: AwaitedEnd) -> bool:
    """Tell once that classes of a throw-away run have reached the cutoff; kept counts say whether to look closely."""
    with read() as session:
        if not _may_be_lifted(session, end.run_id):
            return False
        asked, project_id = session.get_one(TrainingRun, end.run_id), session.get_one(Run, end.run_id).project_id
        found = [each for each in lifted_classes(session, project_id, asked) if each.is_lifted]
    with write() as session:
        kept = session.get_one(AwaitedEnd, end.run_id)
        kept.looked_at = now()
        if not found or not kept.is_lift_awaited:
            return False
        training = session.get_one(Run, end.run_id)
        of_project = select(Run.id).where(Run.project_id == training.project_id)
        earlier = (AwaitedEnd.run_id <= end.run_id, AwaitedEnd.run_id.in_(of_project))
        session.execute(update(AwaitedEnd).where(*earlier).values(is_lift_awaited=False))
        recipe = _recipe_of(session, end.run_id)
        tell(
            session,
            project_id=training.project_id,
            user_ids={
                *(_concerned(session, recipe) if recipe else set()),
                *([end.user_id] if end.user_id is not None else []),
            },
            text=_lifted_words(found),
            path=f"/runs/{end.run_id}",
            tone="good",
            key=f"lifted:{end.run_id}",
        )
    return True


def _lifted_words(found: list[LiftedClass]) -> str:
    names = ", ".join(each.name for each in found[:_CLASSES_NAMED])
    rest = len(found) - _CLASSES_NAMED
    which = f"{names} and {rest} more classes" if rest > 0 else names
    verb = "has" if len(found) == 1 else "have"
    return f"{which} {verb} been lifted to the cutoff of {found[0].cutoff} usable images: train the normal run."


def _may_be_lifted(session: Session, run_id: int) -> bool:
    """Whether a class that the run took below the cutoff has as many labelled images, usable or not."""
    asked = session.get_one(TrainingRun, run_id)
    cutoff = int(asked.config["normal_lower"])
    wanted = {each.class_id for each in below_cutoff(session, asked.snapshot_id, cutoff)}
    rows = session.execute(
        select(ImageCount.class_id, ImageCount.images, LabelClass.trained_as_id)
        .join(LabelClass, LabelClass.id == ImageCount.class_id)
        .where(LabelClass.project_id == ImageCount.project_id, ImageCount.state == ImageState.LABELLED)
        .where(ImageCount.project_id == select(Run.project_id).where(Run.id == run_id).scalar_subquery())
    )
    labelled = dict.fromkeys(wanted, 0)
    for class_id, images, trained_as in rows:
        counted_as = trained_as or class_id
        if counted_as in labelled:
            labelled[counted_as] += images
    return any(images >= cutoff for images in labelled.values())


def _recipe_of(session: Session, run_id: int) -> Recipe | None:
    return session.scalar(
        select(Recipe).join(RecipeRun, RecipeRun.recipe_id == Recipe.id).where(RecipeRun.run_id == run_id)
    )


def _concerned(session: Session, recipe: Recipe) -> set[int]:
    """Who made a recipe and who follows it; who follows the project is told anyway."""
    followers = session.scalars(select(RecipeFollower.user_id).where(RecipeFollower.recipe_id == recipe.id))
    return {*followers, *([recipe.created_by] if recipe.created_by is not None else [])}
