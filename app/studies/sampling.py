"""What to try next, what to give up, and what mattered: Optuna over our own rows.

Optuna keeps no database of its own here: a study's trials are rows that commit with their runs, and are put before its
sampler anew each time. So a study goes on after any restart, on whichever worker. Imported by workers alone.

Sampler: tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011), with
running trials counted as if they had come out badly, so that trials at the same time differ. Pruner: median of the
trials before, at the same epoch. Importance: fANOVA (Hutter et al., 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from app.core.database import Json
from app.studies.schemas import Dimension, Objective, PastTrial

optuna.logging.set_verbosity(optuna.logging.WARNING)

FEWEST_BEFORE_PRUNING: Final = 4
FEWEST_FOR_IMPORTANCE: Final = 6
_STATES: Final = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def suggest(space: Sequence[Dimension], past: Sequence[PastTrial], *, objective: Objective, seed: int) -> Json:
    """Settings for one more trial; the same for the same trials and seed."""
    study = _study(space, past, objective=objective, seed=seed + len(past))
    distributions = {each.name: _distribution(each) for each in space}
    suggested: Json = study.ask(fixed_distributions=distributions).params
    return suggested


def is_hopeless(
    space: Sequence[Dimension], past: Sequence[PastTrial], number: int, *, objective: Objective, warm_up: int
) -> bool:
    """Whether trial `number`, which is running, does worse after its last epoch than half of the complete ones did."""
    study = _study(space, past, objective=objective, seed=0)
    trial = next(each for each in study.get_trials(deepcopy=False) if each.user_attrs["number"] == number)
    pruner = optuna.pruners.MedianPruner(FEWEST_BEFORE_PRUNING, n_warmup_steps=warm_up)
    return bool(trial.intermediate_values) and pruner.prune(study, trial)


def importance_of(space: Sequence[Dimension], past: Sequence[PastTrial], *, objective: Objective) -> dict[str, float]:
    """The share of the spread of scores that each setting explains; empty for fewer than FEWEST_FOR_IMPORTANCE."""
    complete = [trial for trial in past if trial.state == "complete"]
    if len(complete) < FEWEST_FOR_IMPORTANCE or len({trial.score for trial in complete}) == 1:
        return {}
    study = _study(space, complete, objective=objective, seed=0)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return {
        name: float(share)
        for name, share in optuna.importance.get_param_importances(study, evaluator=evaluator).items()
    }


def _study(space: Sequence[Dimension], past: Sequence[PastTrial], *, objective: Objective, seed: int) -> optuna.Study:
    study = optuna.create_study(
        direction="maximize" if objective == "validation_accuracy" else "minimize",
        sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True, n_startup_trials=_startup(space)),
    )
    study.add_trials([_frozen(space, trial) for trial in past])
    return study


def _startup(space: Sequence[Dimension]) -> int:
    """Trials at random before the estimator is asked: a few for each setting."""
    return max(4, min(10, 2 * len(space)))


def _frozen(space: Sequence[Dimension], trial: PastTrial) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=_STATES[trial.state],
        value=trial.score if trial.state == "complete" else None,
        params=trial.settings,
        distributions={each.name: _distribution(each) for each in space},
        user_attrs={"number": trial.number},
        intermediate_values=dict(trial.steps),
    )


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.kind == "choice":
        return CategoricalDistribution(dimension.choices)
    low, high = dimension.low or 0.0, dimension.high or 0.0
    if dimension.kind == "whole":
        return IntDistribution(int(low), int(high), log=dimension.is_log)
    return FloatDistribution(low, high, log=dimension.is_log)
