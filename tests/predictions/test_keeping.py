"""Old results go by the policy, and none that somebody needs; the job and its figures stay."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from app.assembly import needing as _needs  # noqa: F401 - who needs results says so by it
from app.core.clock import now
from app.core.database import get_engine, read, write
from app.core.errors import Conflict, NotFound
from app.core.settings import get_settings
from app.identification.scope import job_scope
from app.library.models import SavedView
from app.predictions.counts import kept_results
from app.predictions.dropping import clean_results, request_cleaning, request_due_cleanings
from app.predictions.indexing import ORDERS, index_job
from app.predictions.keeping import droppable, held_jobs
from app.predictions.models import Prediction, ScoringJob
from app.predictions.rows import insert_rows
from app.runs.models import Run, RunState
from tests.factories.labelling import images
from tests.factories.predictions import identify_as
from tests.factories.registry import deploy, tiny_version
from tests.factories.runs import any_project, reread
from tests.predictions.test_counts import rows_of
from worker.execution import execute_run

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def project_id(installation: object, monkeypatch: pytest.MonkeyPatch) -> int:  # noqa: ARG001 - must exist first
    monkeypatch.setenv("WINNOW_JOBS_KEPT", "2")
    monkeypatch.setenv("WINNOW_EMBEDDING_VERSIONS_KEPT", "0")
    get_settings.cache_clear()
    with write() as session:
        return any_project(session)


def identified(project_id: int, version_id: int, ids: list[int]) -> int:
    """A finished identification; its job."""
    identify_as(project_id, version_id, ids, [[0.7, 0.3]] * len(ids))
    with write() as session:
        session.execute(update(Run).values(state=RunState.SUCCEEDED))
        return session.scalars(select(func.max(ScoringJob.id))).one()


def test_results_beyond_the_policy_go_and_those_of_production_and_of_runs_in_hand_stay(project_id: int):
    serving, other = tiny_version(project_id, ["A", "B"]), tiny_version(project_id, ["A", "B"], seed=1)
    deploy(project_id, serving.id)
    with write() as session:
        ids = images(session, project_id, 3)
    of_production = identified(project_id, serving.id, ids)
    jobs = [identified(project_id, other.id, ids) for _ in range(4)]
    with write() as session:
        asked = session.scalars(select(ScoringJob.run_id).where(ScoringJob.id == jobs[0])).one()
        session.execute(update(Run).where(Run.id == asked).values(state=RunState.RUNNING))
    with read() as session:
        assert droppable(session, project_id) == [jobs[1]]
        reasons = {job.id: job.reasons for job in held_jobs(session, project_id)}
    assert reasons[of_production] == ("its version is in production",)
    assert reasons[jobs[0]] == (f"run {asked}",)
    with write() as session:
        session.execute(update(ScoringJob).values(created_at=now() - timedelta(days=91)))
        view = {"project_id": project_id, "name": "Doubtful", "created_at": now(), "changed_at": now()}
        session.add(SavedView(**view, query=f"state=pool&result_of={jobs[2]}%3Bview%3Dlook_alikes"))
    with read() as session:
        assert droppable(session, project_id) == [jobs[1], jobs[3]]


def test_a_clean_up_empties_the_job_keeps_its_row_and_nothing_can_be_added(project_id: int):
    version = tiny_version(project_id, ["A", "B"])
    with write() as session:
        ids = images(session, project_id, 30)
    gone, *kept = [identified(project_id, version.id, ids) for _ in range(3)]
    index_job(gone, large=10)
    own = f"ix_prediction_{gone}_"
    if get_engine().dialect.name == "sqlite":
        assert len(names_like(own)) == len(ORDERS)
    assert request_due_cleanings() == 1
    with write() as session:
        run_id = request_cleaning(session, project_id, user_id=None)
    execute_run(run_id, clean_results)
    assert reread(run_id).result == {"jobs": 1, "results": 30, "left": 0}
    with read() as session:
        left = session.execute(select(Prediction.job_id, func.count()).group_by(Prediction.job_id)).all()
        assert {job_id: count for job_id, count in left} == dict.fromkeys(kept, 30)  # noqa: C416 - rows are no tuples
        assert not kept_results(session, gone)
        assert kept_results(session, kept[0])
        assert session.scalars(select(ScoringJob.emptied_at).where(ScoringJob.id == gone)).one() is not None
        with pytest.raises(NotFound):
            job_scope(session, gone, project_id)
    assert not names_like(own)
    assert not names_like(f"prediction_job_{gone}")
    with write() as session, pytest.raises(Conflict):
        insert_rows(session, gone, rows_of(ids[:1], version.class_ids[0]))
    assert request_due_cleanings() == 0


def names_like(start: str) -> list[str]:
    """Tables and indexes of the database by the beginning of their names."""
    is_lite = get_engine().dialect.name == "sqlite"
    names = "SELECT name FROM sqlite_master" if is_lite else "SELECT relname FROM pg_class WHERE relkind IN ('r', 'i')"
    with read() as session:
        return [name for name in session.scalars(text(names)) if name.startswith(start)]
