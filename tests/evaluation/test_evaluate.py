"""An evaluation run stores what its version says of every image, once, however it is interrupted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from app.core.database import read, write
from app.datasets.benchmarks import extend_benchmark_set, make_benchmark_set
from app.evaluation.models import ClassFigure, ConfusionCell, Evaluation, JudgedImage
from app.evaluation.queries import evaluations_by_subset
from app.evaluation.work import evaluate
from app.library.service import change_images
from app.promotion.service import request_evaluation
from app.registry.queries import get_version
from app.runs.models import RunState
from tests.factories.evaluation import fill_snapshot
from tests.factories.predictions import photo_images
from tests.factories.registry import TinyVersion, tiny_version
from tests.factories.runs import any_project, reread
from worker.execution import RunContext, execute_run

pytestmark = pytest.mark.usefixtures("installation")
NAMES = ["Apple", "Pear", "Plum"]
IMAGES = 24


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


@pytest.fixture
def trained(project_id: int) -> tuple[TinyVersion, list[int], int]:
    """A version whose snapshot and benchmark set hold real photos; their ids; the set's id."""
    ids = photo_images(project_id, IMAGES)
    version = tiny_version(project_id, NAMES)
    truth = {image_id: version.class_ids[at % 3] for at, image_id in enumerate(ids)}
    with write() as session:
        change_images(session, ids, project_id=project_id, state="labelled", class_id=version.class_ids[0])
        settled = {each: truth[each] for each in ids[18:22]} | dict.fromkeys(ids[22:])
        set_id = make_benchmark_set(session, project_id=project_id, name="Field", image_ids=ids[18:], truths=settled).id
        snapshot_id = get_version(session, version.id).snapshot_id
    splits = {"train": ids[:10], "validation": ids[10:14], "test": ids[14:18]}
    fill_snapshot(
        snapshot_id,
        dict(zip(version.class_ids, NAMES, strict=True)),
        {split: {each: truth[each] for each in chosen} for split, chosen in splits.items()},
    )
    return version, ids, set_id


def evaluation_run(project_id: int, version: TinyVersion, work: Callable[[RunContext], None] = evaluate) -> int:
    with write() as session:
        run_id = request_evaluation(session, project_id=project_id, version_id=version.id, user_id=None)
    execute_run(run_id, work)
    return run_id


def rows_in_force() -> dict[str, object]:
    """Everything that an evaluation says, without the ids and times of its rows."""
    with read() as session:
        found: dict[str, object] = {}
        for row in session.scalars(select(Evaluation).where(Evaluation.is_current)):
            judged = session.scalars(select(JudgedImage).where(JudgedImage.evaluation_id == row.id))
            cells = session.scalars(select(ConfusionCell).where(ConfusionCell.evaluation_id == row.id))
            classes = session.scalars(select(ClassFigure).where(ClassFigure.evaluation_id == row.id))
            found[row.subset] = (
                (row.images, row.exposed, row.correct, row.figures),
                sorted((e.image_id, e.true_class_id, e.predicted_class_id, e.confidence, e.is_right) for e in judged),
                sorted((e.true_class_id, e.predicted_class_id, e.images) for e in cells),
                sorted((e.class_id, e.images, e.predicted, e.correct) for e in classes),
            )
    return found


def count(table: type) -> int:
    with read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_every_split_and_set_is_measured_and_its_cells_hold_the_judged_images(
    project_id: int, trained: tuple[TinyVersion, list[int], int]
):
    version, ids, set_id = trained
    run = reread(evaluation_run(project_id, version))
    assert run.state == RunState.SUCCEEDED, run.error_message
    found = rows_in_force()
    assert set(found) == {"train", "validation", "test", f"benchmark:{set_id}"}
    for (images, _, correct, figures), judged, cells, classes in found.values():
        assert images == len(judged) == sum(cell[2] for cell in cells)
        assert correct == sum(row[4] for row in judged)
        assert sum(row[3] for row in classes) == figures["accuracy"]["hits"]
        assert figures["proposed_thresholds"]["basis"].startswith("defaults")
    assert [row[0] for row in found[f"benchmark:{set_id}"][1]] == ids[18:]
    assert found[f"benchmark:{set_id}"][0][3]["out_of_model"]["total"] == 2
    assert run.result["figures"]["test"]["accuracy"] == found["test"][0][3]["accuracy"]["value"]


def test_an_evaluation_done_again_gives_equal_rows_and_leaves_none_of_the_earlier_behind(
    project_id: int, trained: tuple[TinyVersion, list[int], int]
):
    version, _, _ = trained
    evaluation_run(project_id, version)
    first = rows_in_force()
    for _ in range(2):
        evaluation_run(project_id, version)
    assert rows_in_force() == first
    assert count(Evaluation) == 2 * len(first)
    assert count(JudgedImage) == 2 * IMAGES


@pytest.mark.parametrize("note", ["Scoring", "Storing the figures"])
def test_a_killed_evaluation_shows_the_old_figures_and_ends_as_an_undisturbed_one(
    project_id: int, trained: tuple[TinyVersion, list[int], int], note: str
):
    version, _, _ = trained
    evaluation_run(project_id, version)
    first = rows_in_force()

    def killed(context: RunContext) -> None:
        tell = context.progress

        def progress(done: int, total: int, words: str = "", **live: object) -> None:
            tell(done, total, words, **live)
            if words == note and done >= 2:
                raise KeyboardInterrupt

        context.progress = progress
        evaluate(context)

    with write() as session:
        run_id = request_evaluation(session, project_id=project_id, version_id=version.id, user_id=None)
    with pytest.raises(KeyboardInterrupt):
        execute_run(run_id, killed)
    assert rows_in_force() == first
    execute_run(run_id, evaluate)
    execute_run(run_id, evaluate)
    assert reread(run_id).state == RunState.SUCCEEDED
    assert rows_in_force() == first
    assert count(JudgedImage) == 2 * IMAGES


def test_a_set_made_later_is_measured_when_asked_again(project_id: int, trained: tuple[TinyVersion, list[int], int]):
    version, ids, set_id = trained
    evaluation_run(project_id, version)
    with write() as session:
        newer = extend_benchmark_set(session, set_id, project_id=project_id, image_ids=ids[14:15]).id
    evaluation_run(project_id, version)
    with read() as session:
        found = evaluations_by_subset(session, version.id)
    assert f"benchmark:{set_id}" not in found
    assert found[f"benchmark:{newer}"].images == 7


def test_an_image_in_two_sets_is_judged_by_the_truth_of_each(
    project_id: int, trained: tuple[TinyVersion, list[int], int]
):
    version, ids, set_id = trained
    with write() as session:
        other = make_benchmark_set(
            session, project_id=project_id, name="Hard", image_ids=ids[18:20], truths=dict.fromkeys(ids[18:20])
        ).id
    evaluation_run(project_id, version)
    found = rows_in_force()
    assert [row[1] for row in found[f"benchmark:{other}"][1]] == [0, 0]
    assert [row[1] for row in found[f"benchmark:{set_id}"][1]][:2] == version.class_ids[:2]
    assert found[f"benchmark:{other}"][0][3]["log_loss"] is None


def test_images_that_are_gone_are_left_out_and_the_run_goes_on(
    project_id: int, trained: tuple[TinyVersion, list[int], int]
):
    version, ids, _ = trained
    with write() as session:
        gone = {"rendition_pack": None, "rendition_offset": None, "rendition_length": None}
        change_images(session, [ids[14]], project_id=project_id, **gone)
    run = reread(evaluation_run(project_id, version))
    assert run.state == RunState.SUCCEEDED, run.error_message
    assert rows_in_force()["test"][0][0] == 3
