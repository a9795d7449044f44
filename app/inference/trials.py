"""Plans tried on this machine: how fast each is, and whether it answers as the trained network does.

Speed is counted in the processor's own seconds, so that other work on the machine does not decide: images per second
as they would be with all cores free. (A GPU's work is not in those seconds; there the clock on the wall counts.)
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.inference.engine import TrunkEngine
from app.inference.errors import EngineError
from app.inference.plans import EngineName, EnginePlan, Precision, cores, offered

MARGIN: Final = 1e-3
"""A first answer counts as sure where it leads the second by more."""
LEAST_AGREEMENT: Final = 0.99
LEAST_IMAGES: Final = 100
"""A share of 99% cannot be seen on fewer."""
SECONDS_PER_PLAN: Final = 0.4
_BATCHES: Final = (4, 16)
_FIRST_BATCH: Final = 8
_WORTH_A_CHANGE: Final = 1.1
"""A plan is preferred to a plainer one where it is faster by this much; less may be chance."""

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How first answers compare with those of the trained network. `images` were compared, `sure` of them are sure."""

    images: int
    sure: int
    same: int
    sure_same: int
    largest_difference: float
    """Of any confidence."""

    @property
    def share(self) -> float:
        """Of all images, the same first answer."""
        return self.same / self.images if self.images else 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A plan as it did here. `refused` says why it may not be used; empty: it may."""

    plan: EnginePlan
    images_per_s: float
    agreement: Agreement
    refused: str = ""


def compare(reference: Scores, scores: Scores) -> Agreement:
    """Confidences (N, C) by two ways of computing. Raises ValueError where their shapes differ."""
    if reference.shape != scores.shape:
        raise ValueError(f"Two ways to score the same images give one shape; got {reference.shape}, {scores.shape}.")
    best = np.sort(reference, axis=1)[:, -2:]
    sure = best[:, -1] - best[:, 0] > MARGIN if best.shape[1] > 1 else np.ones(len(best), dtype=bool)
    same = reference.argmax(axis=1) == scores.argmax(axis=1)
    largest = float(np.abs(reference - scores).max(initial=0.0))
    return Agreement(len(reference), int(sure.sum()), int(same.sum()), int((same & sure).sum()), largest)


def why_refused(precision: Precision, found: Agreement) -> str:
    """The rule of parity: float32 keeps every sure answer, a reduced precision 99% of all; empty where it is kept."""
    if not np.isfinite(found.largest_difference):
        return "its confidences are not finite"
    if precision == Precision.FLOAT32:
        lost = found.sure - found.sure_same
        return f"{lost} of {found.sure} sure answers differ from the trained network's" if lost else ""
    if found.images < LEAST_IMAGES:
        return f"measured on {found.images} images; {LEAST_IMAGES} are needed to see 99%"
    if found.share < LEAST_AGREEMENT:
        return f"keeps {found.share:.1%} of the first answers; {LEAST_AGREEMENT:.0%} is the least"
    return ""


def try_plans(
    path: Path,
    images: NDArray[np.uint8],
    reference: Scores,
    *,
    score: Callable[[NDArray[np.float32]], Scores],
    precision: Precision | None = None,
    threads: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Trial]:
    """Every engine and precision that runs here, then batches and threads of the fastest that may be used.

    `images` are real ones, uint8 (N, S, S, 3); `reference` are their confidences (N, C) by the trained network; `score`
    takes embeddings to confidences; `precision` is the one that will be used (None: the fastest that may); `threads`
    bounds the cores (0: all); `tell` hears what is tried. Takes seconds for a small trunk: `SECONDS_PER_PLAN` of
    computing and a start for each. Raises EngineError where none may be used.
    """
    lanes = threads or cores()
    tried: list[Trial] = []
    for engine, in_precision in offered():
        is_gpu = engine == EngineName.ONNXRUNTIME_CUDA
        plan = EnginePlan(engine, in_precision, streams=1 if is_gpu else lanes, threads=1, batch=_FIRST_BATCH)
        tell(f"{engine}, {in_precision}")
        tried.append(_try(path, plan, images, reference, score))
    best = fastest(tried, precision=precision)
    for plan in _variants(best.plan, lanes):
        tell(f"{plan.engine}, {plan.precision}, batches of {plan.batch}")
        # The same arithmetic in another order of work: its answers are those that were compared.
        tried.append(replace(best, plan=plan, images_per_s=measure_rate(TrunkEngine(path, plan=plan), images)))
    return tried


def fastest(trials: list[Trial], *, precision: Precision | None = None) -> Trial:
    """The fastest that may be used, in a given precision or in any; the plainest among those about as fast.

    Raises EngineError where none may be used.
    """
    allowed = [each for each in trials if not each.refused and precision in (None, each.plan.precision)]
    if not allowed:
        why = "; ".join(f"{each.plan.engine} in {each.plan.precision}: {each.refused}" for each in trials)
        raise EngineError(f"No engine here may run this trunk{f' in {precision}' if precision else ''}: {why}")
    best = allowed[0]
    for each in allowed[1:]:
        is_alike = (each.plan.engine, each.plan.precision) == (best.plan.engine, best.plan.precision)
        if each.images_per_s > best.images_per_s * (1 if is_alike else _WORTH_A_CHANGE):
            best = each
    return best


def _variants(plan: EnginePlan, lanes: int) -> Iterator[EnginePlan]:
    yield from (replace(plan, batch=batch) for batch in _BATCHES)
    if plan.streams > 1:
        yield replace(plan, streams=1, threads=lanes, batch=max(_BATCHES))


def _try(
    path: Path,
    plan: EnginePlan,
    images: NDArray[np.uint8],
    reference: Scores,
    score: Callable[[NDArray[np.float32]], Scores],
) -> Trial:
    try:
        engine = TrunkEngine(path, plan=plan)
        rate = measure_rate(engine, images)
        found = compare(reference, score(engine.embed(images)))
    except EngineError as error:
        return Trial(plan, 0.0, Agreement(0, 0, 0, 0, 0.0), f"it failed: {error.message[:300]}")
    finally:
        gc.collect()
    return Trial(plan, rate, found, why_refused(plan.precision, found))


def measure_rate(engine: TrunkEngine, images: NDArray[np.uint8], *, seconds: float = SECONDS_PER_PLAN) -> float:
    """Images per second with all of the plan's streams at work, after one batch for each to warm up."""
    plan = engine.plan
    take = np.arange(plan.batch) % len(images)
    batch = np.ascontiguousarray(images[take])
    clock = time.perf_counter if plan.engine == EngineName.ONNXRUNTIME_CUDA else time.process_time
    used = 1 if plan.engine == EngineName.ONNXRUNTIME_CUDA else plan.streams * (plan.threads or cores())
    done = 0
    with ThreadPoolExecutor(plan.streams) as threads:
        list(threads.map(engine.embed, [batch] * plan.streams))
        began = clock()
        while not done or clock() - began < seconds * used:
            list(threads.map(engine.embed, [batch] * plan.streams))
            done += plan.streams * len(batch)
        return used * done / (clock() - began)
