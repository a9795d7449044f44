"""The loop as the home page draws it: nine stops, each with its figure, its page and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.library.models import ImageState
from app.reports.home import CAP, Standing

Way = Literal["right", "down", "left", "up"]
_RUNS_OF: Final[Mapping[str, str]] = {
    "import": "library.import",
    "train": "training.train",
    "evaluate": "evaluation.evaluate",
    "identify": "identification.identify",
}


@dataclass(frozen=True, slots=True)
class Stop:
    """A place in the loop. `way` is where the line to the next one goes on; `run_state` that of its run under way."""

    key: str
    word: str
    way: Way
    path: str
    figure: str
    note: str
    is_reached: bool
    run_state: str | None


def stops(here: Standing) -> list[Stop]:
    """The loop in its order, beginning with import; identify leads back to label."""
    ready = (
        f"{len(here.ready)} of {len(here.classes)} classes at {here.lower_cutoff}" if here.classes else "no class yet"
    )
    newest, serving = here.newest, here.production
    measured = "measured" if here.newest_is_measured else "not measured"

    def stop(key: str, word: str, way: Way, path: str, *, figure: str, note: str, reached: object) -> Stop:
        state = here.open_runs.get(_RUNS_OF.get(key, ""))
        return Stop(key, word, way, path, figure, note, is_reached=bool(reached), run_state=state)

    total, labelled, pool = here.total, here.labelled, here.images.get(ImageState.POOL, 0)
    snapshots, versions, served = here.snapshots, here.versions, here.served
    sets = here.benchmark_sets
    newest_figure = f"v{newest.number}" if newest else "–"
    serving_figure = f"v{serving.number}" if serving else "–"
    return [
        stop("import", "Import", "right", "/imports", figure=_figure(total), note="images", reached=total),
        stop("label", "Label", "right", "/label", figure=_figure(labelled), note=ready, reached=labelled),
        stop(
            "snapshot", "Snapshot", "right", "/datasets", figure=_capped(snapshots), note="snapshots", reached=snapshots
        ),
        stop("train", "Train", "right", "/train", figure=_capped(versions), note="model versions", reached=versions),
        stop(
            "evaluate",
            "Evaluate",
            "down",
            "/models",
            figure=newest_figure,
            note=measured,
            reached=here.newest_is_measured,
        ),
        stop(
            "benchmark", "Benchmark", "left", "/benchmarks", figure=_figure(sets), note="benchmark sets", reached=sets
        ),
        stop("promote", "Promote", "left", "/production", figure=serving_figure, note="in production", reached=serving),
        stop(
            "serve", "Serve", "left", "/transactions", figure=_capped(served), note="answers in 7 days", reached=served
        ),
        stop("identify", "Identify", "up", "/identify", figure=_figure(pool), note="in the pool", reached=serving),
    ]


def _figure(count: int) -> str:
    return f"{count:,}"


def _capped(count: int) -> str:
    return f"{count:,}{'+' if count == CAP else ''}"
