"""Production identifies pool and unknowns by itself: nothing is missed, and what unknowns became is told."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.identification.again import newest_look
from app.identification.catching_up import catch_up
from app.identification.chunk_models import StandingJob
from app.identification.chunks import Holder
from app.identification.standing import standing_follow_up
from app.identification.standing_jobs import end_turn, standing_view, take_turn
from app.identification.work import identify
from app.library.service import change_images
from app.predictions.models import Prediction
from app.projects.notice_models import Notice
from app.registry.models import Deployment
from app.runs.models import Run, RunState
from tests.factories.predictions import photo_images, run_now
from tests.factories.registry import deploy, tiny_version
from tests.factories.runs import any_project, reread
from tests.web_client import Project, SignInAs
from worker.execution import RunContext, execute_run

pytestmark = pytest.mark.usefixtures("installation")
KIND = "identification.identify"
NAMES = [f"class {number}" for number in range(6)]


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


def stand(project_id: int) -> Run:
    """A standing run, done at once."""
    options = standing_follow_up(project_id)
    return run_now(project_id, KIND, options["parameters"], identify, coalesce_key=options["coalesce_key"])


def waiting_runs(project_id: int) -> list[int]:
    with read() as session:
        queued = (Run.project_id == project_id, Run.kind == KIND, Run.state == RunState.QUEUED)
        return list(session.scalars(select(Run.id).where(*queued)))


def test_pool_and_unknowns_are_identified_and_the_page_says_how_far(project_id: int):
    ids = photo_images(project_id, 6)
    version = tiny_version(project_id, NAMES)
    with write() as session:
        change_images(session, ids[:2], project_id=project_id, state="unknown")
        assert standing_view(session, project_id) is None
    deploy(project_id, version.id)
    with read() as session:
        before = standing_view(session, project_id)
    assert before is not None
    assert (before.images, before.waiting, before.is_settled) == (6, 6, False)
    run = stand(project_id)
    photo_images(project_id, 3, start=6)
    with read() as session:
        after = standing_view(session, project_id)
    assert run.result["images"] == 6
    assert after is not None
    assert (after.images, after.waiting, after.job_id) == (9, 3, run.result["job_id"])


def test_what_no_event_told_of_is_found_by_the_regular_look(project_id: int):
    ids = photo_images(project_id, 6)
    version = tiny_version(project_id, NAMES)
    with write() as session:
        change_images(session, ids[:1], project_id=project_id, state="removed")
    assert catch_up() == 0
    deploy(project_id, version.id)
    assert catch_up() == 1
    (run_id,) = waiting_runs(project_id)
    execute_run(run_id, identify)
    assert (catch_up(), waiting_runs(project_id)) == (0, [])
    with write() as session:
        change_images(session, ids[:1], project_id=project_id, state="pool")
        change_images(session, ids[3:4], project_id=project_id, rotation=90)
        (job,) = session.scalars(select(StandingJob))
        assert job.seen_until == ids[-1]
    assert catch_up() == 1
    (again,) = waiting_runs(project_id)
    execute_run(again, identify)
    done = reread(again)
    assert (done.state, done.result["scored_now"], done.result["job_id"]) == (RunState.SUCCEEDED, 2, job.job_id)
    with read() as session:
        turned = session.get_one(Prediction, (job.job_id, ids[3])).rotation
    assert turned == 90
    assert catch_up() == 0


def test_a_run_that_comes_while_another_is_at_it_leaves_its_wish_behind(project_id: int):
    photo_images(project_id, 4)
    deploy(project_id, tiny_version(project_id, NAMES).id)
    later: list[int] = []

    def with_arrivals(context: RunContext) -> None:
        tell = context.progress

        def progress(done: int, total: int, note: str = "", **live: object) -> None:
            tell(done, total, note, **live)
            if done and not later:
                later.extend(photo_images(project_id, 3, start=4))
                second = stand(project_id)
                assert second.state == RunState.SUCCEEDED
                assert "looks again" in second.result["note"]

        context.progress = progress  # type: ignore[method-assign]
        identify(context)

    options = standing_follow_up(project_id)
    run = run_now(project_id, KIND, options["parameters"], with_arrivals, coalesce_key=options["coalesce_key"])
    assert later
    assert (run.state, run.result["images"]) == (RunState.SUCCEEDED, 7)


def test_a_turn_ends_only_where_nobody_asked_meanwhile(project_id: int):
    photo_images(project_id, 2)
    deploy(project_id, tiny_version(project_id, NAMES).id)
    job_id = stand(project_id).result["job_id"]
    options = standing_follow_up(project_id)
    run = run_now(project_id, KIND, options["parameters"], lambda context: _both(context, project_id, job_id))
    assert run.state == RunState.SUCCEEDED


def _both(context: RunContext, project_id: int, job_id: int) -> None:
    mine = Holder(context.run_id, context.attempt)
    with write() as session:
        turn = take_turn(session, project_id, job_id, mine)
        assert not isinstance(turn, int)
        assert take_turn(session, project_id, job_id, Holder(10_000, 0)) == context.run_id
        assert not end_turn(session, turn, mine, seen_until=9, unreadable=[])
        again = take_turn(session, project_id, job_id, mine)
        assert not isinstance(again, int)
        assert end_turn(session, again, mine, seen_until=9, unreadable=[])
        context.complete(session, {})


def test_a_standing_run_of_a_version_that_no_longer_serves_ends(project_id: int):
    photo_images(project_id, 4)
    old, new = tiny_version(project_id, NAMES), tiny_version(project_id, NAMES, seed=1)
    deploy(project_id, old.id)

    def replaced_meanwhile(context: RunContext) -> None:
        tell = context.progress

        def progress(done: int, total: int, note: str = "", **live: object) -> None:
            promote(project_id, new.id)
            tell(done, total, note, **live)

        context.progress = progress  # type: ignore[method-assign]
        identify(context)

    options = standing_follow_up(project_id)
    run = run_now(project_id, KIND, options["parameters"], replaced_meanwhile, coalesce_key=options["coalesce_key"])
    assert (run.state, run.stopped_early, run.result["version_id"]) == (RunState.SUCCEEDED, True, old.id)
    assert stand(project_id).result["version_id"] == new.id


def promote(project_id: int, version_id: int, *, upper: float = 0.8, lower: float = 0.4) -> None:
    with write() as session:
        session.execute(Deployment.__table__.update().values(is_active=False))
    deploy(project_id, version_id, upper=upper, lower=lower)


def test_what_unknowns_became_is_counted_by_class_told_and_shown(project: Project, sign_in_as: SignInAs):
    ids = photo_images(project.id, 12)
    old = tiny_version(project.id, NAMES)
    new = tiny_version(project.id, [*NAMES, "kangaroo"], seed=3)
    with write() as session:
        change_images(session, ids[:10], project_id=project.id, state="unknown")
    deploy(project.id, old.id)
    first = stand(project.id)
    visitor = sign_in_as("viewer")
    visitor.post(f"/projects/{project.slug}/follow")
    promote(project.id, new.id, upper=0.6)
    second = stand(project.id)
    expected = _expected(first.result["job_id"], second.result["job_id"], ids[:10], new.class_ids[-1])
    with read() as session:
        look = newest_look(session, project.id)
        notices = list(session.scalars(select(Notice.text).where(Notice.user_id == visitor.user_id)))
    assert expected, "the seeds must make some unknowns look like another class"
    assert look is not None
    assert {each.class_id: each.images for each in look.changes} == expected
    assert (look.unknowns, look.changed) == (10, sum(expected.values()))
    assert [each.name for each in look.changes if each.is_new_class] in ([], ["kangaroo"])
    assert notices == [f"v{look.version_number} looked at the unknowns again: {look.words}."]
    page = visitor.get(f"/projects/{project.slug}/identify").text
    change = look.changes[0]
    assert f"now look{'s' if change.images == 1 else ''} like {change.name}" in page
    assert look.path_of(change).replace("&", "&amp;") in page
    assert look.words in visitor.get(f"/projects/{project.slug}").text
    assert stand(project.id).state == RunState.SUCCEEDED
    with read() as session:
        assert len(list(session.scalars(select(Notice.id)))) == 1


def _expected(old_job: int, new_job: int, ids: list[int], kangaroo: int) -> dict[int, int]:
    """By hand, from the stored rows."""
    counts: dict[int, int] = {}
    with read() as session:
        for image_id in ids:
            before = session.get_one(Prediction, (old_job, image_id))
            after = session.get_one(Prediction, (new_job, image_id))
            was_same = before.class_1 == after.class_1 and before.confidence_1 >= 0.8
            is_new = after.class_1 == kangaroo and after.confidence_1 >= 0.4
            if is_new or (after.confidence_1 >= 0.6 and not was_same):
                counts[after.class_1] = counts.get(after.class_1, 0) + 1
    assert np.sum(list(counts.values())) <= len(ids)
    return counts
