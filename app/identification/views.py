"""The ready views over a job's results: five uses of a model against the pool, each with the reason it exists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.identification.schemas import ResultFilter, ViewName
from app.identification.scope import JobScope
from app.library.models import Image, ImageCount, ImageState, Origin
from app.predictions.models import Prediction

OPEN_STATES: Final = (ImageState.POOL, ImageState.UNKNOWN)
JUST_MADE_IT: Final = 1.5

Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class View:
    """A view: its name in the URL, its title, one line saying why one would look, and what it shows."""

    name: ViewName
    title: str
    why: str
    conditions: Callable[[Session, JobScope], Conditions]
    defaults: ResultFilter


def _everything(_session: Session, _scope: JobScope) -> Conditions:
    return []


def low_count_classes(scope: JobScope) -> list[int]:
    """Classes that had fewer usable images than one and a half times the cutoff when the version was trained."""
    return [entry.class_id for entry in scope.classes if entry.usable < scope.lower_cutoff * JUST_MADE_IT]


def _low_counts(_session: Session, scope: JobScope) -> Conditions:
    return [Prediction.class_1.in_(low_count_classes(scope))]


def _replace(_session: Session, scope: JobScope) -> Conditions:
    leaning = select(ImageCount.class_id).where(
        ImageCount.project_id == scope.project_id,
        ImageCount.state == ImageState.LABELLED,
        ImageCount.origin.in_((Origin.STAGED, Origin.SYNTHETIC)),
        ImageCount.images > 0,
    )
    return [Prediction.class_1.in_(leaning), Image.origin == Origin.REAL]


def _look_alikes(_session: Session, scope: JobScope) -> Conditions:
    return [Prediction.confidence_1.between(scope.lower_threshold, scope.upper_threshold)]


def _unknowns(_session: Session, _scope: JobScope) -> Conditions:
    return [Image.state == ImageState.UNKNOWN]


def _lowest(_session: Session, _scope: JobScope) -> Conditions:
    return [Image.state == ImageState.POOL]


VIEWS: Final = (
    View(
        "all",
        "All results",
        "Everything this job scored, surest first.",
        _everything,
        ResultFilter(view="all"),
    ),
    View(
        "candidates",
        "Candidates",
        "What classes below the cutoff are waiting for, likeliest first. Under each image: the model's confidence, and"
        " how like it is to the labelled image of the class that is shown in its corner.",
        _everything,
        ResultFilter(view="candidates"),
    ),
    View(
        "low_counts",
        "Increase low counts",
        "Predicted as a class that only just made the cutoff: each one accepted makes the next version surer.",
        _low_counts,
        ResultFilter(view="low_counts"),
    ),
    View(
        "replace",
        "Replace staged or synthetic",
        "Real images predicted as a class that still rests on staged or synthetic ones.",
        _replace,
        ResultFilter(view="replace"),
    ),
    View(
        "look_alikes",
        "Look-alikes",
        "Middling confidence: maybe a class that the model does not know. Pick a class and look for what does not fit.",
        _look_alikes,
        ResultFilter(view="look_alikes", sort="doubtful"),
    ),
    View(
        "unknowns",
        "Unknowns",
        "Saved as unknown: pick the class they resemble, select those that belong together, and name them.",
        _unknowns,
        ResultFilter(view="unknowns", state="unknown"),
    ),
    View(
        "lowest",
        "Lowest scores",
        "What the model can make least of: often worth nothing, and removing can be undone.",
        _lowest,
        ResultFilter(view="lowest", state="pool", sort="doubtful"),
    ),
)
_BY_NAME: Final = {view.name: view for view in VIEWS}


def view_named(name: ViewName) -> View:
    """The view of that name."""
    return _BY_NAME[name]


def views_for(scope: JobScope) -> list[View]:
    """The views that make sense for a job: "Candidates" only where classes below the cutoff joined."""
    return [view for view in VIEWS if view.name != "candidates" or scope.has_candidates]


def view_conditions(session: Session, scope: JobScope, name: ViewName) -> Conditions:
    """What a view asks of a result."""
    return view_named(name).conditions(session, scope)
