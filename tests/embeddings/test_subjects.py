"""Small subjects are proposed from the trunk's activation, flagged or turned down, and not proposed again."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from app.core.database import read, write
from app.embeddings.subjects import KIND, measure_subjects
from app.library.curation_models import ActiveShare
from app.library.models import Image
from app.library.quality_proposals import Doubt, proposals
from app.projects.models import Project
from app.registry.models import ReferenceTrunk
from app.runs.models import RunState
from tests.factories.predictions import photo_images, run_now
from tests.factories.registry import tiny_trunk_row
from tests.web_client import SignInAs


@pytest.fixture
def ids(project: Project) -> list[int]:
    """Four photos whose trunk has been asked."""
    with write() as session:
        session.execute(insert(ReferenceTrunk).values(project_id=project.id, trunk_id=tiny_trunk_row(session)))
    made = photo_images(project.id, 4)
    run = run_now(project.id, KIND, {}, measure_subjects)
    assert (run.state, run.result) == (RunState.SUCCEEDED, {"images": 4, "measured": 4}), run.error_message
    return made


def proposed(project: Project) -> list[int]:
    with read() as session:
        found = proposals(session, project.id, Doubt.SMALL_SUBJECT, share=75.0)
        return [image.id for image, _ in found.images]


def flags(ids: list[int]) -> list[bool]:
    with read() as session:
        return [session.get_one(Image, image_id).is_small_subject for image_id in ids]


def test_every_image_is_measured_once_for_a_trunk(project: Project, ids: list[int]):
    with read() as session:
        shares = session.scalars(select(ActiveShare.share).where(ActiveShare.project_id == project.id)).all()
    assert len(shares) == len(ids)
    assert all(0 < share <= 1 for share in shares)
    assert run_now(project.id, KIND, {}, measure_subjects).result == {"images": 4, "measured": 0}


def test_the_least_active_come_first_and_a_verdict_holds_until_its_maker_takes_it_back(
    project: Project, ids: list[int], sign_in_as: SignInAs
):
    for place, image_id in enumerate(reversed(ids)):
        with write() as session:
            session.execute(update(ActiveShare).where(ActiveShare.image_id == image_id).values(share=place / 10))
    assert proposed(project) == ids[::-1]
    labeller, another = sign_in_as("labeller"), sign_in_as("labeller")
    path = f"/projects/{project.slug}/library/quality"
    assert "active share" in labeller.get(f"{path}?doubt=small_subject&share=5").text
    sent = {"reason": "small_subject", "shown": [f"{ids[3]}:0", f"{ids[2]}:0"], "image_ids": [ids[3]]}
    done = labeller.post(f"{path}/settle", data=sent, headers={"Accept": "application/json"}).json()
    assert flags(ids) == [False, False, False, True]
    assert proposed(project) == ids[1::-1]
    assert another.post(done["undo_url"]).status_code == 403
    assert labeller.post(done["undo_url"]).status_code == 303
    assert flags(ids) == [False] * 4
    assert proposed(project) == ids[::-1]
    assert labeller.post(done["undo_url"]).status_code == 409


def test_an_engineer_asks_for_the_measuring(project: Project, sign_in_as: SignInAs):
    path = f"/projects/{project.slug}/library/quality/measure-subjects"
    assert sign_in_as("engineer").post(path).status_code == 303
    failed = run_now(project.id, KIND, {}, measure_subjects)
    assert failed.state == RunState.FAILED
    assert "no reference trunk yet" in (failed.error_message or "")
