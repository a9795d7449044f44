"""An edited table relabels as one act: compared first, applied as shown, undone as one; what others changed stays."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import Conflict
from app.exchange.comparing import compare
from app.exchange.relabelling import (
    get_comparison,
    relabel,
    request_comparison,
    request_relabelling,
    stage_table,
)
from app.labelling.models import LabelAction, LabelClass
from app.labelling.schemas import Change
from app.labelling.service import apply_labels, undo
from app.library.models import Image
from app.runs.claims import requeue
from app.runs.models import Run
from tests.exchange.stock import carried, export_now, file_of, stocked
from tests.factories import labelling
from tests.factories.library import get_run
from worker.execution import RunContext, execute_run

pytestmark = pytest.mark.usefixtures("installation")
Row = dict[str, str]


def exported(project_id: int) -> list[Row]:
    """The labels as a table, as somebody opens it."""
    content = file_of(export_now(project_id, format="csv", pictures="none")).read_text()
    return list(csv.DictReader(io.StringIO(content)))


def edited(rows: list[Row]) -> bytes:
    target = io.StringIO()
    writer = csv.DictWriter(target, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue().encode()


def compared(project_id: int, user_id: int, content: bytes) -> Run:
    upload_id = stage_table(project_id, "labels.csv", io.BytesIO(content))
    with write() as session:
        run_id = request_comparison(session, project_id=project_id, user_id=user_id, upload_id=upload_id)
    execute_run(run_id, compare)
    run = get_run(run_id)
    assert run.state == "succeeded", run.error_message
    return run


def applied(project_id: int, user_id: int, compare_run: Run, *, make_classes: bool = True) -> Run:
    with write() as session:
        run_id = request_relabelling(
            session, project_id=project_id, user_id=user_id, compare_run_id=compare_run.id, make_classes=make_classes
        )
    execute_run(run_id, relabel)
    run = get_run(run_id)
    assert run.state == "succeeded", run.error_message
    return run


def counts(run: Run) -> dict[str, int]:
    assert run.result
    return {kind: count for kind, count in run.result["counts"].items() if count}


def states(project_id: int) -> list[tuple[str, str | None, str | None]]:
    query = select(Image.state, LabelClass.name, Image.quality).outerjoin(LabelClass, LabelClass.id == Image.class_id)
    with read() as session:
        return [tuple(row) for row in session.execute(query.where(Image.project_id == project_id).order_by(Image.id))]


def test_a_table_that_nobody_edited_changes_nothing():
    project_id, user_id, _ = stocked()
    run = compared(project_id, user_id, edited(exported(project_id)))
    assert counts(run) == {"unedited": 8}
    with write() as session, pytest.raises(Conflict):
        request_relabelling(session, project_id=project_id, user_id=user_id, compare_run_id=run.id, make_classes=True)


def test_an_edited_table_relabels_as_one_act_and_undo_takes_it_back():
    project_id, user_id, ids = stocked()
    before = carried(project_id)
    rows = exported(project_id)
    rows[0]["class"], rows[0]["sub_class"] = "Tiger", ""
    rows[1]["quality"] = "dark"
    rows[2]["state"] = "unknown"
    rows[7]["class"] = "'=SUM(A1)"
    run = compared(project_id, user_id, edited(rows))
    assert counts(run) == {"unedited": 4, "changes": 4}
    assert run.result
    assert run.result["new_classes"] == [["=SUM(A1)", 1]]
    assert carried(project_id) == before

    done = applied(project_id, user_id, run)
    assert done.result
    assert (done.result["images"], done.result["changed_meanwhile"]) == (4, 0)
    told = states(project_id)
    assert [told[at] for at in (0, 2, 7)] == [
        ("labelled", "Tiger", "good"),
        ("unknown", None, "good"),
        ("labelled", "=SUM(A1)", None),
    ]
    assert told[1][2] == "dark"
    with write() as session:
        action = session.get_one(LabelAction, done.result["action_id"])
        assert (action.kind, action.images) == ("import", 4)
        undo(session, action.id, project_id=project_id, user_id=user_id, may_undo_others=True)
    assert carried(project_id) == before
    assert ids


def test_labels_that_changed_since_the_export_are_listed_and_untouched():
    project_id, user_id, ids = stocked()
    rows = exported(project_id)
    who: dict[str, Any] = {"project_id": project_id, "user_id": user_id, "how": "manual", "kind": "label"}
    with write() as session:
        changes = [Change(image_id, to_state="none") for image_id in (ids[0], ids[3])]
        apply_labels(session, **who, changes=changes, summary="")
    rows[0]["class"] = rows[1]["class"] = "Tiger"
    run = compared(project_id, user_id, edited(rows))
    assert counts(run) == {"unedited": 6, "changes": 1, "changed_since": 1}
    with write() as session:
        apply_labels(session, **who, changes=[Change(ids[1], to_state="unknown")], summary="")
    done = applied(project_id, user_id, run)
    assert done.result
    assert (done.result["images"], done.result["changed_meanwhile"]) == (0, 1)
    assert [state for state, *_ in states(project_id)[:2]] == ["none", "unknown"]
    with read() as session:
        action = session.get_one(LabelAction, done.result["action_id"])
        assert [row["image_id"] for row in action.skipped] == [ids[1]]


def test_rows_that_mean_no_image_or_several_are_listed():
    with write() as session:
        place = labelling.workplace(session)
        names = ["one.jpg", "two.jpg", "two.jpg", "Ünï, 3.jpg"]
        for at, name in enumerate(names):
            labelling.images(session, place.project_id, 1, start=at, file_name=name)
    table = "file,class\none.jpg,Lion\ntwo.jpg,Lion\nthree.jpg,Lion\nfolder/Ünï, 3.jpg,Lion\n".replace(
        "folder/Ünï, 3.jpg", '"folder/Ünï, 3.jpg"'
    )
    run = compared(place.project_id, place.ann, table.encode())
    assert counts(run) == {"changes": 2, "ambiguous": 1, "unknown": 1}
    by_digest = "sha256,class\n" + f"{'0' * 64},Lion\n"
    assert counts(compared(place.project_id, place.ann, by_digest.encode())) == {"unknown": 1}


def test_a_row_that_breaks_a_rule_or_comes_twice_is_passed_over():
    project_id, user_id, _ = stocked()
    rows = exported(project_id)
    rows[0]["quality"] = "splendid"
    rows[1]["class"] = "Tiger"
    rows.append({**rows[1], "class": "Bear"})
    run = compared(project_id, user_id, edited(rows))
    assert counts(run) == {"unedited": 6, "refused": 1, "changes": 1, "repeated": 1}
    assert run.result
    assert "quality is one of" in run.result["shown"]["refused"][0]["why"]


def test_new_classes_are_made_only_where_that_was_wished():
    project_id, user_id, _ = stocked()
    rows = exported(project_id)
    rows[0]["class"], rows[1]["class"] = "Brand new", "Tiger"
    done = applied(project_id, user_id, compared(project_id, user_id, edited(rows)), make_classes=False)
    assert done.result
    assert (done.result["images"], done.result["without_class"], done.result["changed_meanwhile"]) == (1, 1, 0)
    with read() as session:
        assert session.scalar(select(LabelClass.id).where(LabelClass.name == "Brand new")) is None


def test_a_killed_relabelling_goes_on_and_is_still_one_act():
    with write() as session:
        place = labelling.workplace(session)
        ids = labelling.images(session, place.project_id, 2_500)
    table = "sha256,class\n" + "".join(f"{row['sha256']},Lion\n" for row in exported(place.project_id))
    run = compared(place.project_id, place.ann, table.encode())
    with write() as session:
        run_id = request_relabelling(
            session, project_id=place.project_id, user_id=place.ann, compare_run_id=run.id, make_classes=True
        )

    def killed(context: RunContext) -> None:
        calls: list[int] = []

        class Killed(RunContext):
            def progress(self, done: int, total: int, note: str = "", **live: object) -> None:
                calls.append(done)
                if len(calls) == 2:
                    raise KeyboardInterrupt
                super().progress(done, total, note, **live)

        relabel(Killed(context.claim))

    _ends_in(KeyboardInterrupt, lambda: execute_run(run_id, killed))
    with write() as session:
        found = session.get_one(Run, run_id)
        if found.state == "running":
            requeue(session, found, reason="test")
    execute_run(run_id, relabel)
    done = get_run(run_id)
    assert done.result, done.error_message
    assert (done.result["images"], done.result["changed_meanwhile"]) == (2_500, 0)
    with read() as session:
        acts = session.scalars(select(LabelAction).where(LabelAction.kind == "import")).all()
        assert [(act.images, act.undone_by_action_id) for act in acts] == [(2_500, None)]
        assert get_comparison(session, place.project_id, run.id).applied
    with write() as session:
        undo(session, acts[0].id, project_id=place.project_id, user_id=place.ann, may_undo_others=True)
    assert {state for state, *_ in states(place.project_id)} == {"pool"}
    assert len(ids) == 2_500


def _ends_in(error: type[BaseException], act: Callable[[], None]) -> None:
    """Do something that a kill may end."""
    try:
        act()
    except error:
        return
