"""The ready views over a job's results: five uses of a model against the pool, each with the reason it exists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement

from app.identification.facts import OPEN_STATES, Facts
from app.identification.result_filter import ResultFilter, ViewName
from app.identification.scope import LOOK_ALIKES_FROM, JobScope
from app.library.models import Image, ImageState, Origin
from app.predictions.models import Prediction

__all__ = ["OPEN_STATES", "VIEWS", "View", "view_named", "views_for"]

Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class View:
    """A view: its name in the URL, its title, one line saying why one would look, and what it shows."""

    name: ViewName
    title: str
    why: str
    conditions: Callable[[Facts], Conditions]
    defaults: ResultFilter


def _everything(_facts: Facts) -> Conditions:
    return []


# The sums: see `matching.py`.
def _low_counts(facts: Facts) -> Conditions:
    return [(Prediction.class_1 + 0).in_(facts.low_classes)]


def _replace(facts: Facts) -> Conditions:
    return [(Prediction.class_1 + 0).in_(facts.leaning), Image.origin == Origin.REAL]


def _look_alikes(facts: Facts) -> Conditions:
    return [(Prediction.confidence_1 + 0.0).between(facts.lower * LOOK_ALIKES_FROM, facts.upper)]


def _unknowns(_facts: Facts) -> Conditions:
    return [Image.state == ImageState.UNKNOWN]


def _lowest(_facts: Facts) -> Conditions:
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
        "Middling confidence, from half the lower threshold to the upper one: maybe a class that the model does not"
        " know. What is unlike every labelled image and like others here comes first: select what belongs together.",
        _look_alikes,
        ResultFilter(view="look_alikes", sort="unlike"),
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
