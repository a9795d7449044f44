"""Benchmarks can be called, and what they print as their last line can be relied on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
BENCHMARKS = sorted(path.stem for path in BENCH.glob("*.py") if '\n    run_benchmark("' in path.read_text())


def _call(name: str, *arguments: str) -> str:
    command = [sys.executable, str(BENCH / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=BENCH.parent, timeout=300).stdout


@pytest.mark.parametrize("name", [*BENCHMARKS, "run_all"])
def test_each_script_says_what_it_does(name: str):
    assert "bench" in _call(name, "--help").lower()


def test_all_are_run_together():
    named = _call("run_all", "--help").rpartition("Benchmarks: ")[2].strip().split(", ")
    assert named == BENCHMARKS


def test_the_last_line_is_one_object_with_figures_and_goals():
    found = json.loads(_call("import", "--quick", "--photos", "2", "--rounds", "1", "--json").splitlines()[-1])
    assert set(found) == {"bench", "machine", "parameters", "figures", "goals"}
    assert found["bench"] == "import"
    assert {"cores", "memory", "device"} <= set(found["machine"])
    assert found["parameters"]["quick"] is True
    assert all(value is None or value > 0 for value in found["figures"].values())
    assert {"share_of_decoder", "scaling_2_cores"} <= set(found["figures"])
    for goal in found["goals"]:
        assert set(goal) == {"name", "value", "sense", "goal"}
        assert goal["value"] == found["figures"][goal["name"]]
        assert goal["sense"] in {"at least", "at most"}
