"""Who watches a class is told what an identification found for it anew, once, with a link to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from app.core.clock import now
from app.core.database import read, write
from app.identification.news import BETWEEN_LOOKS, ask_look, look_due
from app.identification.schemas import ResultFilter
from app.identification.work import identify
from app.labelling.schemas import Change
from app.labelling.service import apply_labels
from app.labelling.watching import unwatch, watch
from app.predictions.service import finish_job, open_job, store_scores
from app.projects.notices import newest_notices
from app.projects.webhook_models import WebhookDelivery
from app.runs.models import Run
from app.runs.telling import tell_run_ends
from tests.factories.accounts import make_user
from tests.factories.datasets import make_images
from tests.factories.predictions import run_now
from tests.factories.projects import add_member
from tests.factories.registry import TinyVersion, tiny_version
from tests.factories.runs import any_project, ended_run
from tests.factories.webhooks import make_webhook
from tests.identification.test_candidates import Orchard, plums  # noqa: F401 - a fixture

NAMES = ["Apple", "Pear"]
SURE, UNSURE = [0.9, 0.1], [0.3, 0.7]
LOOK = {"identification.identify": ask_look}


@pytest.fixture
def version(installation: object) -> TinyVersion:  # noqa: ARG001 - must exist first
    with write() as session:
        project_id = any_project(session)
    return tiny_version(project_id, NAMES)


@pytest.fixture
def watcher(version: TinyVersion) -> int:
    return watching(version.class_ids[0])


def watching(class_id: int, role: str = "viewer") -> int:
    with write() as session:
        user_id = make_user(session).id
        project_id = any_project(session)
        add_member(session, project_id=project_id, user_id=user_id, role=role)
        watch(session, project_id=project_id, class_id=class_id, user_id=user_id)
        return user_id


def scored(version: TinyVersion, images: dict[int, list[float]], *, job_id: int | None = None) -> int:
    """A job with these scores, or more of one; its run has ended and asks for a look."""
    with write() as session:
        project_id = any_project(session)
        run_id = ended_run(
            session, project_id=project_id, kind="identification.identify", title="Identify", parameters={}
        )
        found = job_id or open_job(
            session, project_id=project_id, run_id=run_id, version_id=version.id, purpose="identification"
        )
    ids = sorted(images)
    scores = np.array([images[each] for each in ids], dtype=np.float32)
    store_scores(found, version.class_ids, ids, scores)
    with write() as session:
        finish_job(session, found, images=len(ids))
        run = session.get_one(Run, run_id)
        run.result = {"job_id": found}
        ask_look(session, run)
    return found


def pool(count: int) -> list[int]:
    with write() as session:
        return make_images(session, any_project(session), count)


def told(user_id: int) -> list[tuple[str, str]]:
    with read() as session:
        return [(each.text, each.address) for each in newest_notices(session, user_id, is_administrator=False)]


def test_only_what_the_version_did_not_predict_so_before_is_news(version: TinyVersion, watcher: int):
    images = pool(6)
    first = scored(version, dict.fromkeys(images[:3], SURE) | {images[3]: UNSURE})
    assert look_due() == 1
    second = scored(version, dict.fromkeys(images[:5], SURE) | {images[5]: UNSURE})
    assert look_due() == 1
    assert look_due() == 0
    shown = ResultFilter(class_id=version.class_ids[0], low=0.4).to_query()
    home = "/projects/birds/identify"
    assert told(watcher) == [
        ("Apple: 2 images are predicted as it that were not before.", f"{home}/{second}?{shown}"),
        ("Apple: 3 images are predicted as it that were not before.", f"{home}/{first}?{shown}"),
    ]


def test_what_is_decided_about_is_no_news_and_nobody_else_is_told(version: TinyVersion, watcher: int):
    other = watching(version.class_ids[1])
    former = watching(version.class_ids[0])
    with write() as session:
        project_id = any_project(session)
        unwatch(session, project_id=project_id, class_id=version.class_ids[0], user_id=former)
        images = make_images(session, project_id, 2)
        who: dict[str, Any] = {"project_id": project_id, "user_id": watcher, "how": "grid"}
        changes = [Change(images[0], to_state="labelled", class_id=version.class_ids[0])]
        apply_labels(session, **who, changes=changes, kind="label", summary="1 image")
    scored(version, dict.fromkeys(images, SURE))
    look_due()
    assert [text for text, _ in told(watcher)] == ["Apple: 1 image is predicted as it that was not before."]
    assert told(other) == told(former) == []


def test_a_job_that_grows_tells_of_arrivals_at_most_once_an_hour(version: TinyVersion, watcher: int):
    images = pool(6)
    job_id = scored(version, dict.fromkeys(images[:2], SURE))
    assert look_due() == 1
    scored(version, {images[2]: SURE}, job_id=job_id)
    scored(version, dict.fromkeys(images[3:5], SURE), job_id=job_id)
    assert look_due() == 0
    assert look_due(at=now() + BETWEEN_LOOKS + timedelta(seconds=1)) == 1
    assert [text.split(":")[1].split()[0] for text, _ in told(watcher)] == ["3", "2"]


def test_candidates_are_told_from_the_end_of_the_run_to_the_webhook(plums: Orchard):  # noqa: F811 - the fixture
    user_id = watching(plums.plum)
    make_webhook(plums.project_id, "https://example.org/h", "candidates.found")
    parameters = {"version_id": plums.version.id, "selection": {"kind": "pool"}}
    run = run_now(plums.project_id, "identification.identify", parameters, identify)
    assert tell_run_ends(LOOK) == 1
    assert look_due() == 1
    named = run.result["candidates"]["Plum"]
    ((text, address),) = told(user_id)
    assert text == f"Plum: {named} new candidates found."
    assert address.endswith(f"?view=candidates&class_id={plums.plum}")
    with read() as session:
        (sent,) = session.scalars(select(WebhookDelivery)).all()
    assert sent.payload["facts"]["classes"][0]["images"] == named
    run_now(plums.project_id, "identification.identify", parameters, identify)
    assert tell_run_ends(LOOK) == 1
    assert look_due() == 1
    assert len(told(user_id)) == 1, "the same candidates again are no news"
