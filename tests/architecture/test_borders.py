"""Rules that a reader cannot see in one file: who commits, who imports what, who moves production."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("app/**/*.py"), *ROOT.glob("worker/**/*.py")])


def _calls(path: Path, *names: str) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names
    ]


def _where(predicate_of: dict[Path, list[int]]) -> set[str]:
    return {str(path.relative_to(ROOT)) for path, lines in predicate_of.items() if lines}


def test_transactions_are_committed_in_one_place():
    assert _where({path: _calls(path, "commit") for path in SOURCES}) == {"app/core/database.py"}


def test_only_execute_run_catches_everything():
    def broad(path: Path) -> list[int]:
        return [
            node.lineno
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ExceptHandler)
            and (
                node.type is None
                or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
            )
        ]

    assert _where({path: broad(path) for path in SOURCES}) == {"worker/execution.py"}


def test_only_promotion_moves_the_production_pointer():
    def writes_deployment(path: Path) -> list[int]:
        return [
            node.lineno
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
            and (
                (isinstance(node.func, ast.Name) and node.func.id in {"insert", "update", "Deployment", "delete"})
                or (isinstance(node.func, ast.Attribute) and node.func.attr in {"insert", "update", "delete"})
            )
            and ("Deployment" in ast.dump(node))
        ]

    assert _where({path: writes_deployment(path) for path in SOURCES}) == {"app/promotion/service.py"}


def _modules_after(statement: str) -> set[str]:
    probe = f"{statement}\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "statement",
    [
        "import app.main; app.main.create_app()",
        "import app.cli.main",
        "import worker.celery_app; worker.celery_app.celery_app.loader.import_default_modules()",
    ],
)
def test_web_command_and_worker_parent_start_without_tensorflow(statement: str):
    assert _modules_after(statement).isdisjoint({"tensorflow", "keras", "torch"})


def test_the_web_process_never_imports_the_worker():
    assert "worker" not in _modules_after("import app.main; app.main.create_app()")
