"""Filtering the library by an identification's results: what a results page shows is a selection everywhere.

The value is the job's number and, after semicolons, fields of `ResultFilter`: `12;view=look_alikes;class_id=3`.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import ColumnElement, Select, exists, literal_column, select

from app.core.errors import InvalidInput
from app.identification.facts import facts_in_sql
from app.identification.matching import prediction_conditions
from app.identification.result_filter import ResultFilter
from app.identification.views import view_named
from app.library.filters import ImageFilter
from app.library.grammar import Field, Values, number_id
from app.library.models import Image
from app.predictions.models import Candidate, Prediction, ScoringJob

NAME: Final = "result_of"
_LONGEST: Final = 400
_BESIDE: Final = frozenset({"state", "query", "sort", "group", "like"})
"""Fields that the library says in words of its own, or that are about the page."""


def written(job_id: int, wanted: ResultFilter) -> str:
    """The value of the field for what a filter asks of a job's predictions."""
    asked = {name: value for name, value in wanted.pairs().items() if name not in _BESIDE}
    return ";".join([str(job_id), *([urlencode(asked).replace("&", ";")] if asked else [])])


def read_value(text: str) -> tuple[int, ResultFilter]:
    """The job and the filter of a value. Raises ValueError."""
    number, _, rest = text.partition(";")
    if len(text) > _LONGEST:
        raise ValueError(f"at most {_LONGEST} characters")
    pairs = parse_qsl(rest, keep_blank_values=True, separator=";", strict_parsing=bool(rest))
    if any(name in _BESIDE for name, _ in pairs):
        raise ValueError("a job's number and fields of its predictions")
    try:
        return int(number_id(number)), ResultFilter.from_query(pairs)
    except InvalidInput as error:
        raise ValueError(error.message) from error


def _parse(text: str) -> str:
    return written(*read_value(text))


def _condition(values: Values) -> ColumnElement[bool]:
    job_id, wanted = read_value(values[0])
    asked = prediction_conditions(job_id, wanted, facts_in_sql(job_id))
    if wanted.view == "candidates":
        asked += [Candidate.job_id == job_id, Candidate.image_id == Prediction.image_id]
    return exists().where(Prediction.image_id == Image.id, *asked).correlate(Image)


def _ids(project_id: int, values: Values) -> Select[Any] | None:
    """By the index of classes or of confidences; what else is asked of them, the condition tells."""
    job_id, wanted = read_value(values[0])
    own = exists().where(ScoringJob.id == job_id, ScoringJob.project_id == project_id)
    if wanted.view == "candidates":
        of_class = [Candidate.class_id == wanted.class_id] if wanted.class_id else []
        return select(Candidate.image_id).where(Candidate.job_id == job_id, own, *of_class)
    bounds = [Prediction.class_1 == wanted.class_id] if wanted.class_id and wanted.top == 1 else []
    bounds += [Prediction.confidence_1 >= wanted.low] if wanted.low > 0 else []
    bounds += [Prediction.confidence_1 <= wanted.high] if wanted.high < 1 else []
    return select(Prediction.image_id).where(Prediction.job_id == _number(job_id), own, *bounds)


def _number(job_id: int) -> ColumnElement[int]:
    """The job's number in the statement's own words: an index of one job's rows is found by that (`indexing.py`)."""
    return literal_column(str(int(job_id)))


def _say(text: str) -> str:
    """The value in words; names of classes stand in the page that it comes from."""
    job_id, wanted = read_value(text)
    asked = [f"{name.replace('_', ' ')} {value}" for name, value in wanted.pairs().items() if name != "view"]
    view = [] if wanted.view == "all" else [view_named(wanted.view).title.lower()]
    return ", ".join([f"job {job_id}", *view, *asked])


def to_library(job_id: int, wanted: ResultFilter) -> ImageFilter:
    """The library's filter for what a results page shows; but for likeness, which the library does not know."""
    state = {"open": "pool,unknown", "any": None}.get(wanted.shown_state, wanted.shown_state)
    asked = wanted.library.to_query()
    if state is not None:
        asked.setdefault("state", state)
    return ImageFilter.stored(urlencode(asked | {NAME: written(job_id, wanted)}))


def from_library(chosen: ImageFilter) -> tuple[int, ResultFilter] | None:
    """The job and the filter of its results that a library filter means; None where it is of no job."""
    values = chosen.values(NAME)
    if not values:
        return None
    job_id, wanted = read_value(values[0])
    rest, states = chosen.without(NAME), set(map(str, chosen.values("state")))
    known = {frozenset({"pool", "unknown"}): "open", frozenset(): "any"}
    known |= {frozenset({each}): each for each in ("pool", "unknown", "labelled")}
    state = known.get(frozenset(states))
    if state is not None:
        rest = rest.without("state")
    changes = {"state": state or "any", "query": rest.query_string()}
    return job_id, wanted.model_copy(update=changes | {"sort": view_named(wanted.view).defaults.sort})


FIELDS: Final = (
    Field(
        NAME,
        lambda: "Identification",
        "model",
        _parse,
        _condition,
        _ids,
        kind="shape",
        said=_say,
    ),
)
