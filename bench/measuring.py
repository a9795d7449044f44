"""What every benchmark shares: arguments, the machine, an installation of its own, timing in turns, the JSON.

A benchmark is a script beside this file. It hands `run_benchmark` a function that measures baseline and product in the
same run; the last line it prints is one JSON object: `bench, machine, parameters, figures, goals`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

ROOT: Final = Path(__file__).resolve().parents[1]

# A script's own folder stands first on the path; Winnow is taken from the tree that the script lies in. To be imported
# before `app` and `worker`, which the sorting of imports does.
if str(ROOT) not in sys.path:
    sys.path.insert(1, str(ROOT))

Figure = float | int | None


@dataclass(frozen=True, slots=True)
class Options:
    """What a benchmark was asked for."""

    quick: bool
    """End within 5 minutes on 2 cores."""
    data: Path | None
    """A folder that holds `grocery/` and `caltech/`; None: the demo's photos."""
    photos: int | None
    """The most photos of each kind; None: the benchmark's own number."""
    rounds: int | None
    """How often baseline and product take turns; None: the benchmark's own number."""

    def choose_photos(self, *, quick: int, full: int) -> int:
        """The number of photos: as asked, or else the benchmark's own."""
        return self.photos or (quick if self.quick else full)

    def choose_rounds(self, *, quick: int, full: int) -> int:
        """The number of rounds: as asked, or else the benchmark's own."""
        return self.rounds or (quick if self.quick else full)

    @property
    def source(self) -> str:
        """Where the photos come from, without a path."""
        return "the demo's package" if self.data is None else f"folder {self.data.resolve().name}"


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and what it should reach."""

    name: str
    value: Figure
    sense: Literal["at least", "at most"]
    goal: float

    @property
    def is_met(self) -> bool | None:
        """Whether it is reached; None where nothing was measured."""
        if self.value is None:
            return None
        return self.value >= self.goal if self.sense == "at least" else self.value <= self.goal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a benchmark found. The name of each figure ends in its unit, unless it is a ratio."""

    parameters: Mapping[str, Any]
    figures: Mapping[str, Figure]
    goals: Sequence[Goal] = ()


def run_benchmark(name: str, measure: Callable[[Options], Outcome], *, about: str) -> None:
    """Read the arguments, measure, print: figures for people, or with `--json` one object as the last line."""
    options, as_json = _read_arguments(name, about)
    # Asked to end, leave by the usual way out: the throw-away installation and what it started go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    machine = describe_machine()
    outcome = measure(options)
    asked = {"quick": options.quick, "source": options.source}
    found: dict[str, Any] = {
        "bench": name,
        "machine": machine,
        "parameters": asked | dict(outcome.parameters),
        "figures": {figure: _rounded(value) for figure, value in outcome.figures.items()},
        "goals": [asdict(goal) | {"value": _rounded(goal.value)} for goal in outcome.goals],
    }
    if as_json:
        print(json.dumps(found))
        return
    for figure, value in found["figures"].items():
        print(f"{figure:<40} {value}")
    for goal in outcome.goals:
        print(f"goal: {goal.name} {goal.sense} {goal.goal:g}: {'met' if goal.is_met else 'not met'}")


def _read_arguments(name: str, about: str) -> tuple[Options, bool]:
    parser = argparse.ArgumentParser(prog=f"bench/{name}.py", description=about)
    add = parser.add_argument
    add("--quick", action="store_true", help="end within 5 minutes on 2 cores")
    add("--data", type=Path, help="folder that holds grocery/ and caltech/; without it, the demo's photos")
    add("--photos", type=_whole, help="the most photos of each kind")
    add("--rounds", type=_whole, help="how often baseline and product take turns")
    add("--json", action="store_true", help="print one JSON object as the last line")
    given = parser.parse_args()
    if given.data is not None and not given.data.is_dir():
        parser.error(f"--data is a folder; {given.data} is none")
    return Options(given.quick, given.data, given.photos, given.rounds), bool(given.json)


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1; got {number}")
    return number


def _rounded(value: Figure) -> Figure:
    return value if value is None or isinstance(value, int) else float(f"{value:.4g}")


def say(text: str) -> None:
    """Tell a person how far the measuring is; standard output is for the result."""
    print(text, file=sys.stderr, flush=True)


def cores_here() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def describe_machine() -> dict[str, Any]:
    """Cores, memory, device, and how many processes wanted a core before anything was measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": cores_here(),
        "memory": f"{memory:.0f} GiB",
        "device": f"CPU, {_processor()}",
        "load_before": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def in_turns(rounds: int, acts: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """What each act measured, round by round. One after another: what else the machine does meets all alike."""
    measured: dict[str, list[float]] = {name: [] for name in acts}
    for turn in range(1, rounds + 1):
        for name, act in acts.items():
            value = act()
            measured[name].append(value)
            say(f"  round {turn} of {rounds}: {name} {value:.4g}")
    return measured


def ratio(product: Sequence[float], baseline: Sequence[float]) -> float:
    """The median over the rounds of product over baseline, each pair measured next to each other."""
    return median(mine / theirs for mine, theirs in zip(product, baseline, strict=True))


def rate(count: int, act: Callable[[], object]) -> float:
    """`count` things per second of `act`."""
    began = time.perf_counter()
    act()
    return count / (time.perf_counter() - began)


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Keep this thread, and the threads and processes it starts, to `count` cores. Where the system can (Linux)."""
    if sys.platform != "linux":
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextmanager
def installation(**settings: object) -> Iterator[Path]:
    """This process, and those it starts, on a throw-away installation: data folder, migrated SQLite database.

    `settings` are Winnow's own by name. Yields the data folder, which is gone afterwards.
    """
    from app.core.logging import configure_logging

    empty = _empty_database()
    with TemporaryDirectory(prefix="winnow-bench-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        (data / "winnow.db").write_bytes(empty)
        with _environment(data, settings):
            configure_logging()
            yield data


@contextmanager
def settled_on(data: Path, **settings: object) -> Iterator[None]:
    """This process, and those it starts, on an installation that stays: a data folder, and Winnow's settings by name.

    Its database is made by `app.core.migrations.migrate`, once.
    """
    data.mkdir(parents=True, exist_ok=True)
    with _environment(data, settings):
        yield


@lru_cache(maxsize=1)
def _empty_database() -> bytes:
    """The bytes of a migrated, empty database."""
    from app.core.database import open_engine
    from app.core.migrations import migrate

    with TemporaryDirectory(prefix="winnow-bench-") as folder, _environment(Path(folder), {}):
        path = Path(folder) / "winnow.db"
        migrate(f"sqlite:///{path}")
        engine = open_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        return path.read_bytes()


@contextmanager
def _environment(data: Path, settings: Mapping[str, object]) -> Iterator[None]:
    ours = {"data_dir": data, "database_url": "", "broker_url": "", "log_level": "ERROR", **settings}
    wanted = {f"WINNOW_{name.upper()}": str(value) for name, value in ours.items()} | {"PYTHONPATH": str(ROOT)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    _forget_process_state()
    try:
        yield
    finally:
        _forget_process_state()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _forget_process_state() -> None:
    """Close what the process keeps open for one installation."""
    from app.core.database import get_engine
    from app.core.settings import get_settings
    from app.core.storage import get_storage
    from app.runs.broker import get_sender

    if get_engine.cache_info().currsize:
        get_engine().dispose()
    for cached in (get_engine, get_settings, get_storage, get_sender):
        cached.cache_clear()
