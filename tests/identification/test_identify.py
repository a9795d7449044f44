"""A job identifies its selection once, however it is interrupted, and ends with what was found."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.storage import get_storage
from app.embeddings.models import Embedding
from app.identification.queries import job_lines
from app.identification.schemas import Selection
from app.identification.selection import store_ids
from app.identification.service import request_after_import, request_identification, request_standing
from app.identification.standing import standing_follow_up
from app.identification.work import identify
from app.library.service import change_images
from app.predictions.models import Prediction, ScoringJob
from app.runs.models import Run, RunState
from app.runs.service import request_cancel
from tests.factories.predictions import photo_images, run_now
from tests.factories.registry import TinyVersion, deploy, tiny_version
from tests.factories.runs import any_project, reread
from worker.execution import RunContext, execute_run

pytestmark = pytest.mark.usefixtures("installation")
KIND = "identification.identify"
NAMES = [f"class {number}" for number in range(20)]


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


def parameters(version: TinyVersion, kind: str = "pool", **more: str) -> dict[str, object]:
    return {"version_id": version.id, "selection": {"kind": kind, **more}}


def predictions_of(job_id: int) -> dict[int, tuple[object, ...]]:
    columns = [column for column in Prediction.__table__.columns if column.name != "job_id"]
    with read() as session:
        rows = session.execute(select(*columns).where(Prediction.job_id == job_id)).all()
    return {row.image_id: tuple(row) for row in rows}


def jobs() -> list[int]:
    with read() as session:
        return list(session.scalars(select(ScoringJob.id).order_by(ScoringJob.id)))


def test_the_pool_is_identified_and_nothing_else(project_id: int):
    ids = photo_images(project_id, 8)
    version = tiny_version(project_id, NAMES)
    with write() as session:
        change_images(session, ids[:1], project_id=project_id, state="unknown")
        change_images(session, ids[1:2], project_id=project_id, state="removed")
    run = run_now(project_id, KIND, parameters(version), identify)
    assert run.state == RunState.SUCCEEDED, run.error_message
    assert run.result["images"] == 6
    assert sorted(predictions_of(run.result["job_id"])) == ids[2:]
    unknowns = run_now(project_id, KIND, parameters(version, "unknown"), identify)
    assert sorted(predictions_of(unknowns.result["job_id"])) == ids[:1]


def test_a_filter_and_a_list_of_ids_select_too(project_id: int):
    ids = photo_images(project_id, 6)
    version = tiny_version(project_id, NAMES)
    with write() as session:
        change_images(session, ids[:2], project_id=project_id, origin="staged")
    staged = run_now(project_id, KIND, parameters(version, "filter", query="origin=staged"), identify)
    assert sorted(predictions_of(staged.result["job_id"])) == ids[:2]
    chosen = store_ids([ids[4], ids[1], ids[4], 999_999])
    listed = run_now(project_id, KIND, {"version_id": version.id, "selection": chosen.to_parameters()}, identify)
    assert sorted(predictions_of(listed.result["job_id"])) == [ids[1], ids[4]]
    assert not get_storage().file_path("selections", chosen.file).exists()


def test_a_killed_job_ends_as_an_undisturbed_one_value_for_value(project_id: int):
    small = {"ids_per_chunk": 16, "rows_per_shard": 16, "images_per_chunk": 16}
    ids = photo_images(project_id, 48)
    version = tiny_version(project_id, NAMES)
    with write() as session:
        run_id = request_identification(
            session, project_id=project_id, version_id=version.id, selection=Selection(kind="pool")
        )

    def killed_halfway(context: RunContext) -> None:
        tell = context.progress

        def progress(done: int, total: int, note: str = "", **live: object) -> None:
            tell(done, total, note, **live)
            if done >= 30:
                raise KeyboardInterrupt

        context.progress = progress
        identify(context, **small)

    with pytest.raises(KeyboardInterrupt):
        execute_run(run_id, killed_halfway)
    assert reread(run_id).state == RunState.QUEUED
    with read() as session:
        assert 0 < len(list(session.scalars(select(Embedding.image_id)))) < 48
    execute_run(run_id, lambda context: identify(context, **small))
    execute_run(run_id, identify)
    resumed = reread(run_id)
    assert (resumed.state, resumed.result["images"]) == (RunState.SUCCEEDED, 48)
    assert len(jobs()) == 1
    with write() as session:
        session.execute(Embedding.__table__.delete())
    undisturbed = run_now(project_id, KIND, parameters(version), lambda context: identify(context, **small))
    assert undisturbed.result["embedded"] == 48
    assert sorted(predictions_of(resumed.result["job_id"])) == ids
    assert predictions_of(resumed.result["job_id"]) == predictions_of(undisturbed.result["job_id"])


def test_a_cancelled_job_keeps_what_it_scored_and_goes_on_when_resumed(project_id: int):
    photo_images(project_id, 20)
    version = tiny_version(project_id, NAMES)

    def cancelled_at_once(context: RunContext) -> None:
        with write() as session:
            request_cancel(session, context.run_id, project_id)
        context.beat()
        identify(context)

    run = run_now(project_id, KIND, parameters(version), cancelled_at_once)
    assert run.state == RunState.CANCELLED


def test_standing_runs_share_one_job_and_cost_only_the_arrivals(project_id: int):
    ids = photo_images(project_id, 6)
    version = tiny_version(project_id, NAMES)
    options = standing_follow_up(project_id)
    request = {"parameters": options["parameters"], "coalesce_key": options["coalesce_key"]}
    idle = run_now(project_id, KIND, work=identify, **request)
    assert (idle.state, idle.result["images"]) == (RunState.SUCCEEDED, 0)
    deploy(project_id, version.id)
    first = run_now(project_id, KIND, work=identify, **request)
    later = photo_images(project_id, 10, start=6)
    second = run_now(project_id, KIND, work=identify, **request)
    assert second.result["job_id"] == first.result["job_id"]
    assert (first.result["scored_now"], second.result["scored_now"], second.result["images"]) == (6, 10, 16)
    assert sorted(predictions_of(first.result["job_id"])) == ids + later
    with read() as session:
        lines = job_lines(session, project_id)
    assert [(line.run_id, line.version_number) for line in lines] == [(second.id, 1), (first.id, 1), (idle.id, None)]


def test_many_requests_for_a_standing_run_wait_as_one_and_none_without_production(project_id: int):
    version = tiny_version(project_id, NAMES)
    with write() as session:
        assert request_standing(session, project_id) is None
    deploy(project_id, version.id)
    with write() as session:
        assert request_standing(session, project_id) == request_standing(session, project_id)
        assert len(list(session.scalars(select(Run.id).where(Run.kind == KIND)))) == 1


def test_after_an_import_only_what_makes_sense_is_asked_for(project_id: int):
    def asked() -> list[str]:
        with write() as session:
            request_after_import(session, project_id)
            return list(session.scalars(select(Run.kind).where(Run.kind != "training.train").order_by(Run.id)))

    assert asked() == []
    version = tiny_version(project_id, NAMES)
    assert asked() == ["embeddings.embed"]
    deploy(project_id, version.id)
    assert asked() == ["embeddings.embed", KIND]
    assert asked() == ["embeddings.embed", KIND]


def test_a_request_is_refused_before_a_run_is_made(project_id: int):
    version = tiny_version(project_id, NAMES)
    with write() as session:
        with pytest.raises(Conflict):
            request_identification(session, project_id=project_id, selection=Selection())
        with pytest.raises(NotFound):
            request_identification(session, project_id=project_id, version_id=10_000, selection=Selection())
        with pytest.raises(InvalidInput):
            request_identification(
                session,
                project_id=project_id,
                version_id=version.id,
                selection=Selection(kind="filter", query="class_id=abc"),
            )
