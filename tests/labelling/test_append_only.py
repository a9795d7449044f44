"""Label events are only ever inserted, and only by events.py."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from sqlalchemy import event

from app.core.database import get_engine, write
from app.core.settings import ROOT
from app.labelling import service
from app.labelling.schemas import Act, LabelRequest
from tests.factories import labelling as make


def changes_events(path: Path) -> set[str]:
    """The statements over LabelEvent that a module builds: insert, update, delete, merge, add."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        over = {argument.id for argument in node.args if isinstance(argument, ast.Name)}
        if name in {"insert", "update", "delete"} and "LabelEvent" in over:
            found.add(name)
        if name == "LabelEvent":
            found.add("row")
    return found


def test_only_one_module_writes_events_and_it_only_inserts():
    writers = {
        str(path.relative_to(ROOT)): made
        for folder in ("app", "worker")
        for path in (ROOT / folder).rglob("*.py")
        if (made := changes_events(path))
    }
    assert writers == {"app/labelling/events.py": {"insert"}}


@pytest.mark.usefixtures("installation")
def test_no_act_updates_or_deletes_an_event():
    with write() as session:
        place = make.workplace(session)
        image_ids = make.images(session, place.project_id, 3)
    statements: list[str] = []

    def remember(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement.lower().replace('"', ""))

    event.listen(get_engine(), "before_cursor_execute", remember)
    for act in (Act.UNKNOWN, Act.REMOVE, Act.RESTORE, Act.ROTATE, Act.POOL):
        with write() as session:
            request = LabelRequest(image_ids=image_ids, act=act)
            done = service.act_on(
                session, request, project_id=place.project_id, user_id=place.ann, may_remove_many=False
            )
        with write() as session:
            service.undo(session, done.action_id, project_id=place.project_id, user_id=place.ann, may_undo_others=False)
    assert sum(statement.startswith("insert into label_event") for statement in statements) == 10
    assert not [
        statement for statement in statements if statement.startswith(("update label_event", "delete from label_event"))
    ]
