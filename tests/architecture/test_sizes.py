"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CAPS = {"app/**/*.py": 400, "worker/**/*.py": 400, "tests/**/*.py": 400, "bench/**/*.py": 400}
CAPS |= {"templates/**/*.html": 150, "static/**/*.js": 200, "static/**/*.css": 600}
FUNCTION_CAP = 60


@pytest.mark.parametrize(("pattern", "cap"), CAPS.items())
def test_no_file_is_longer_than_its_cap(pattern: str, cap: int):
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in ROOT.glob(pattern)}
    assert {path: length for path, length in lengths.items() if length > cap} == {}


def test_no_function_is_longer_than_its_cap():
    too_long = {}
    for path in [*ROOT.glob("app/**/*.py"), *ROOT.glob("worker/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_CAP:
                    too_long[f"{path.relative_to(ROOT)}:{node.name}"] = length
    assert too_long == {}


def test_the_package_docstring_is_all_that_a_domain_init_holds():
    for path in ROOT.glob("app/*/__init__.py"):
        body = ast.parse(path.read_text()).body
        assert len(body) == 1, path
        assert ast.get_docstring(ast.parse(path.read_text())), path
