"""Compact rows, stored once; what the labeller is told comes from production and from nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import func, select

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.embeddings.work import embed_missing
from app.library.service import change_images
from app.predictions.models import Prediction
from app.predictions.rows import compact_rows
from app.predictions.scoring import score_images
from app.predictions.service import (
    count_rows,
    finish_job,
    newest_job_for,
    open_job,
    store,
    store_scores,
    suggestions,
)
from app.registry.artifacts import load_version
from app.registry.queries import version_classes
from tests.factories.labelling import images
from tests.factories.predictions import photo_images
from tests.factories.registry import TinyVersion, deploy, tiny_version
from tests.factories.runs import any_project, queued_run

pytestmark = pytest.mark.usefixtures("installation")
NAMES = ["Apple", "Pear", "Plum"]


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


def new_job(version: TinyVersion, project_id: int) -> int:
    run_id = queued_run()
    with write() as session:
        return open_job(session, project_id=project_id, run_id=run_id, version_id=version.id, purpose="identification")


def score_into(job_id: int, version: TinyVersion, ids: list[int]) -> None:
    score_images(version.id, ids, on_chunk=lambda found, scores: store_scores(job_id, version.class_ids, found, scores))


def suggested(project_id: int, ids: list[int], **options: int) -> dict[int, list[int]]:
    with read() as session:
        found = suggestions(session, project_id, ids, **options)
    return {image_id: [one.class_id for one in ranked] for image_id, ranked in found.by_image.items()}


def test_a_row_holds_the_five_best_classes_margin_and_entropy():
    scores = np.array([[0.1, 0.5, 0.05, 0.2, 0.15, 0.0]], dtype=np.float32)
    rows = compact_rows([11, 12, 13, 14, 15, 16], [77], scores)
    assert rows.classes.tolist() == [[12, 14, 15, 11, 13]]
    assert rows.confidences[0, 0] == pytest.approx(0.5)
    assert rows.margins.tolist() == pytest.approx([0.3])
    assert 0 < rows.entropies[0] < 1
    assert rows.image_ids.tolist() == [77]


def test_one_class_alone_is_sure():
    alone = compact_rows([4], [1], np.array([[1.0]], dtype=np.float32))
    assert (alone.margins.tolist(), alone.entropies.tolist()) == ([1.0], [0.0])


def test_scores_of_another_shape_are_refused():
    with pytest.raises(InvalidInput):
        compact_rows([1, 2, 3], [1], np.zeros((1, 2), dtype=np.float32))


def test_storing_twice_keeps_the_first_values_and_one_row_an_image(project_id: int):
    version = tiny_version(project_id, NAMES)
    job_id = new_job(version, project_id)
    with write() as session:
        ids = images(session, project_id, 2500)
    scores = np.tile(np.array([[0.7, 0.2, 0.1]], dtype=np.float32), (2500, 1))
    store_scores(job_id, version.class_ids, ids, scores)
    store_scores(job_id, version.class_ids, ids, scores[:, ::-1].copy())
    assert count_rows(job_id) == 2500
    with read() as session:
        best = session.execute(
            select(Prediction.class_1, func.count()).where(Prediction.job_id == job_id).group_by(Prediction.class_1)
        ).all()
    assert [tuple(row) for row in best] == [(version.class_ids[0], 2500)]


def test_a_run_opens_one_job_however_often_it_asks(project_id: int):
    version = tiny_version(project_id, NAMES)
    run_id = queued_run()
    with write() as session:
        arguments = {"project_id": project_id, "run_id": run_id, "version_id": version.id, "purpose": "evaluation"}
        first = open_job(session, **arguments)
        assert open_job(session, **arguments) == first
        assert newest_job_for(session, version.id) is None
        finish_job(session, first, images=0)
        found = newest_job_for(session, version.id)
        assert found is not None
        assert found.id == first
        assert newest_job_for(session, version.id, "identification") is None
        with pytest.raises(InvalidInput):
            open_job(session, project_id=project_id, run_id=run_id, version_id=version.id, purpose="curiosity")


def test_suggestions_come_from_the_newest_predictions_of_production(project_id: int):
    with write() as session:
        ids = images(session, project_id, 2)
    version = tiny_version(project_id, NAMES)
    apple, pear, plum = version.class_ids
    with read() as session:
        classes = version_classes(session, version.id)
    for ranking in ([0.7, 0.2, 0.1], [0.1, 0.3, 0.6]):
        job_id = new_job(version, project_id)
        with write() as session:
            store(session, job_id, classes, ids[:1], np.array([ranking], dtype=np.float32))
    deploy(project_id, version.id)
    tiny_version(project_id, NAMES, seed=1)
    assert suggested(project_id, ids) == {ids[0]: [plum, pear, apple]}
    with read() as session:
        found = suggestions(session, project_id, ids)
    assert (found.version_id, found.version_number) == (version.id, version.number)
    assert [one.name for one in found.by_image[ids[0]]] == ["Plum", "Pear", "Apple"]


def test_an_image_with_an_embedding_and_no_prediction_is_scored_on_the_spot(project_id: int):
    ids = photo_images(project_id, 3)
    version = tiny_version(project_id, NAMES)
    deploy(project_id, version.id)
    embed_missing(load_version(version.id).trunk, ids[:2])
    on_the_spot = suggested(project_id, ids)
    assert sorted(on_the_spot) == ids[:2]
    score_into(new_job(version, project_id), version, ids[:2])
    assert suggested(project_id, ids) == on_the_spot


def test_predictions_from_before_an_image_was_turned_are_not_suggested(project_id: int):
    ids = photo_images(project_id, 2)
    version = tiny_version(project_id, NAMES)
    deploy(project_id, version.id)
    score_into(new_job(version, project_id), version, ids)
    assert sorted(suggested(project_id, ids)) == ids
    with write() as session:
        change_images(session, [ids[0]], project_id=project_id, rotation=90)
    assert sorted(suggested(project_id, ids)) == ids[1:]
    embed_missing(load_version(version.id).trunk, ids)
    turned = suggested(project_id, ids)
    assert sorted(turned) == ids
    job_id = new_job(version, project_id)
    score_into(job_id, version, ids)
    assert suggested(project_id, ids) == turned
