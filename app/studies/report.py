"""All that a study's page shows, gathered in one read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from app.core.database import Json
from app.studies.models import Study
from app.studies.queries import TrialLine, progress_of, trial_lines
from app.studies.schemas import SEARCHABLE, Dimension, shown
from app.studies.service import get_study
from app.training.schemas import TrainingChoices

_FURTHEST_TICKS = 5


@dataclass(frozen=True, slots=True)
class Scatter:
    """The scores by one setting. `dots` are (percent, score, trial number, value), `ticks` (percent, word)."""

    name: str
    title: str
    dots: list[tuple[float, float, int, str]]
    ticks: list[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class StudyReport:
    """A study for people."""

    study: Study
    space: tuple[Dimension, ...]
    base: TrainingChoices
    trials: Sequence[TrialLine]
    running: int
    seconds: float

    @property
    def is_higher_better(self) -> bool:
        """Whether the objective is accuracy, not loss."""
        return self.study.objective == "validation_accuracy"

    @property
    def complete(self) -> list[TrialLine]:
        """Trials with a score that counts."""
        return [trial for trial in self.trials if trial.state == "complete" and trial.score is not None]

    @property
    def best(self) -> TrialLine | None:
        """The trial with the best score; the earlier one of equals."""
        sign = -1 if self.is_higher_better else 1
        return min(self.complete, key=lambda trial: (sign * (trial.score or 0.0), trial.number), default=None)

    @property
    def history(self) -> list[Json]:
        """Lines of a chart over trials: each score, and the best so far."""
        scores = [(trial.number, trial.score or 0.0) for trial in self.complete]
        better = max if self.is_higher_better else min
        so_far = [(number, better(score for _, score in scores[: at + 1])) for at, (number, _) in enumerate(scores)]
        return [{"name": "trial", "points": scores}, {"name": "best so far", "points": so_far}] if scores else []

    @property
    def importance(self) -> list[Json]:
        """Bars of what mattered, the most important first."""
        found: dict[str, float] = self.study.importance or {}
        return [
            {"label": SEARCHABLE[name].title, "value": share}
            for name, share in sorted(found.items(), key=lambda each: -each[1])
        ]

    @property
    def scatters(self) -> list[Scatter]:
        """One picture for each setting that was searched."""
        return [_scatter(each, self.complete) for each in self.space]

    @property
    def best_address(self) -> str:
        """Query of the training form filled with the settings of the best trial."""
        best, base = self.best, self.base
        if best is None:
            return ""
        kept = base.model_dump(include={"start", "trunk", "input_size", "parent_version_id", "epochs"})
        values: dict[str, Any] = {name: value for name, value in kept.items() if value is not None}
        values |= {name.removeprefix("augmentation."): value for name, value in best.settings.items()}
        return urlencode(
            {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
        )

    def title_of(self, name: str) -> str:
        """A setting's title."""
        return SEARCHABLE[name].title


def study_report(session: Session, study_id: int, project_id: int) -> StudyReport:
    """The report of a study. Raises NotFound."""
    study = get_study(session, study_id, project_id)
    progress = progress_of(session, study)
    trials = trial_lines(session, study_id)
    session.expunge(study)
    return StudyReport(
        study=study,
        space=tuple(Dimension.model_validate(each) for each in study.space),
        base=TrainingChoices.model_validate(study.base),
        trials=trials,
        running=progress.running,
        seconds=progress.seconds,
    )


def _scatter(dimension: Dimension, trials: Sequence[TrialLine]) -> Scatter:
    if dimension.kind == "choice":
        width = 100 / len(dimension.choices)
        places = {choice: (at + 0.5) * width for at, choice in enumerate(dimension.choices)}
        ticks = [(round(place, 2), shown(choice)) for choice, place in places.items()]
    else:
        ticks = [(round(at * 25.0, 2), shown(_value(dimension, at / 4))) for at in range(_FURTHEST_TICKS)]
    dots = []
    for trial in trials:
        value = trial.settings[dimension.name]
        place = places[value] if dimension.kind == "choice" else 100 * _share(dimension, float(value))
        dots.append((round(place, 2), trial.score or 0.0, trial.number, shown(value)))
    return Scatter(dimension.name, SEARCHABLE[dimension.name].title, dots, ticks)


def _ends(dimension: Dimension) -> tuple[float, float]:
    low, high = dimension.low or 0.0, dimension.high or 0.0
    return (math.log(low), math.log(high)) if dimension.is_log else (low, high)


def _share(dimension: Dimension, value: float) -> float:
    low, high = _ends(dimension)
    return ((math.log(value) if dimension.is_log else value) - low) / (high - low)


def _value(dimension: Dimension, share: float) -> float | int:
    low, high = _ends(dimension)
    value = low + share * (high - low)
    value = math.exp(value) if dimension.is_log else value
    return round(value) if dimension.kind == "whole" else value
