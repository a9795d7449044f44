"""Runs every benchmark beside this file and writes their figures to RESULTS.md. Arguments go to each benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from measuring import describe_machine, say

FOLDER: Final = Path(__file__).resolve().parent
Found = dict[str, Any]


def benchmarks() -> list[Path]:
    """Every script here that is a benchmark."""
    return sorted(path for path in FOLDER.glob("*.py") if '\n    run_benchmark("' in path.read_text())


def main(arguments: Sequence[str]) -> int:
    """Run all, write the table; the number of benchmarks that failed."""
    if "--help" in arguments or "-h" in arguments:
        print(f"{__doc__}\n\nBenchmarks: {', '.join(path.stem for path in benchmarks())}")
        return 0
    machine = describe_machine()
    began = datetime.now(UTC)
    found = {path.stem: _run(path, arguments) for path in benchmarks()}
    text = "\n".join([*_heading(machine, began, arguments), *(line for each in found.items() for line in _part(*each))])
    (FOLDER / "RESULTS.md").write_text(text + "\n")
    return sum(each is None for each in found.values())


def _run(path: Path, arguments: Sequence[str]) -> Found | None:
    """What a benchmark printed as its last line; None where it failed."""
    say(f"== {path.stem}")
    began = time.monotonic()
    command = [sys.executable, str(path), *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    say(f"   {time.monotonic() - began:.0f} s")
    if done.returncode != 0:
        return None
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found | {"seconds": round(time.monotonic() - began)}


def _heading(machine: Found, began: datetime, arguments: Sequence[str]) -> list[str]:
    cores, load = machine["cores"], machine["load_before"]
    state = "at rest" if load < cores / 2 else "shared: other work ran beside the benchmarks, so figures are noisy"
    quick = "quick" if "--quick" in arguments else "in full"
    return [
        "# Benchmarks",
        "",
        f"Written by `make bench` ({quick}). Baseline and product are measured in the same run, in turns; the",
        "first lines of each script say what is compared with what. Ratios are medians over the rounds.",
        "",
        f"- Date: {began:%Y-%m-%d %H:%M} UTC",
        f"- Machine: {cores} cores, {machine['memory']}, {machine['device']}; load {load:g} at the start ({state})",
    ]


def _part(bench: str, found: Found | None) -> list[str]:
    """A benchmark's table."""
    if found is None:
        return ["", f"## {bench}", "", "It failed: its messages are in the output of `make bench`."]
    goals = {goal["name"]: goal for goal in found["goals"]}
    rows = [f"| {name} | {_shown(value)} | {_goal(goals.get(name))} |" for name, value in found["figures"].items()]
    shown = ", ".join(f"{key} {_shown(value)}" for key, value in found["parameters"].items() if key != "quick")
    table = ["| figure | value | goal |", "|---|---|---|", *rows]
    return ["", f"## {bench}", "", f"{shown}; {found['seconds']} s.", "", *table]


def _goal(goal: Found | None) -> str:
    if goal is None:
        return ""
    value = goal["value"]
    wanted = f"{goal['sense']} {goal['goal']:g}"
    if value is None:
        return f"{wanted}: not measured"
    is_met = value >= goal["goal"] if goal["sense"] == "at least" else value <= goal["goal"]
    return f"{wanted}: {'met' if is_met else 'not met'}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_shown(each)}" for key, each in value.items()) + ")"
    return "-" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
