"""The results page shows what its address asks for, shrinks as people label, and accepts predictions as one act."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.identification.queries import results_page
from app.identification.schemas import ResultFilter
from app.identification.scope import job_scope
from app.labelling.class_merge import merge_classes
from app.labelling.models import LabelEvent
from app.library.models import Image
from app.library.service import change_images
from app.predictions.service import finish_job, open_job, store_scores
from app.projects.models import Project
from app.runs.models import Run
from app.runs.service import request_run
from tests.factories.labelling import images
from tests.factories.registry import TinyVersion, deploy, tiny_version
from tests.web_client import Browser, SignInAs

NAMES = ["Apple", "Pear", "Plum"]


@pytest.fixture
def version(project: Project) -> TinyVersion:
    return tiny_version(
        project.id, NAMES, usable={"Apple": 300, "Pear": 45, "Plum": 35}, below_cutoff=frozenset({"Plum"})
    )


@pytest.fixture
def scored(project: Project, version: TinyVersion) -> tuple[int, list[int]]:
    """A finished job over 12 images: image i is predicted as class i % 3 with confidence 0.4 + 0.05 i."""
    with write() as session:
        ids = images(session, project.id, 12)
        run_id = request_run(
            session, project_id=project.id, kind="identification.identify", title="Identify the pool", parameters={}
        )
        job_id = open_job(
            session, project_id=project.id, run_id=run_id, version_id=version.id, purpose="identification"
        )
    scores = np.zeros((12, 3), dtype=np.float32)
    for index in range(12):
        confidence = 0.4 + 0.05 * index
        scores[index] = (1 - confidence) / 2
        scores[index, index % 3] = confidence
    store_scores(job_id, version.class_ids, ids, scores)
    with write() as session:
        finish_job(session, job_id, images=12)
    return job_id, ids


def shown(browser: Browser, project: Project, job_id: int, query: str = "") -> list[int]:
    answer = browser.get(f"/projects/{project.slug}/identify/{job_id}?{query}")
    assert answer.status_code == 200, answer.text
    return [int(found) for found in re.findall(r'role="option"[^>]*data-id="(\d+)"', answer.text)]


def test_results_come_surest_first_or_most_doubtful_first(
    sign_in_as: SignInAs, project: Project, scored: tuple[int, list[int]]
):
    browser, (job_id, ids) = sign_in_as("labeller"), scored
    assert shown(browser, project, job_id) == ids[::-1]
    assert shown(browser, project, job_id, "sort=doubtful") == ids


def test_class_confidence_and_margin_combine(
    sign_in_as: SignInAs, project: Project, scored: tuple[int, list[int]], version: TinyVersion
):
    browser, (job_id, ids) = sign_in_as("labeller"), scored
    assert shown(browser, project, job_id, f"class_id={version.class_ids[1]}") == [ids[10], ids[7], ids[4], ids[1]]
    assert shown(browser, project, job_id, "low=0.6&high=0.7&sort=doubtful") == [ids[4], ids[5], ids[6]]
    assert shown(browser, project, job_id, f"class_id={version.class_ids[1]}&low=0.6") == [ids[10], ids[7], ids[4]]
    assert shown(browser, project, job_id, "margin_low=0.85") == [ids[11]]


def test_settled_images_are_hidden_until_asked_for_and_marked(
    sign_in_as: SignInAs, project: Project, scored: tuple[int, list[int]], version: TinyVersion
):
    browser, (job_id, ids) = sign_in_as("labeller"), scored
    with write() as session:
        change_images(session, ids[:4], project_id=project.id, state="labelled", class_id=version.class_ids[0])
        change_images(session, ids[4:5], project_id=project.id, state="removed")
        change_images(session, ids[5:6], project_id=project.id, state="unknown")
    assert shown(browser, project, job_id, "sort=doubtful") == ids[5:]
    assert shown(browser, project, job_id, "state=labelled&sort=doubtful") == ids[:4]
    assert shown(browser, project, job_id, "state=any&sort=doubtful") == ids[:4] + ids[5:]
    page = browser.get(f"/projects/{project.slug}/identify/{job_id}?state=labelled").text
    assert page.count('<span class="cell-badge">Apple</span>') == 4


def test_the_ready_views_show_what_they_say(
    sign_in_as: SignInAs, project: Project, scored: tuple[int, list[int]], version: TinyVersion
):
    browser, (job_id, ids) = sign_in_as("labeller"), scored
    pear = version.class_ids[1]
    with write() as session:
        staged = images(session, project.id, 1, start=50, origin="staged")
        change_images(session, staged, project_id=project.id, state="labelled", class_id=pear)
        change_images(session, ids[3:4], project_id=project.id, state="unknown")
    assert set(shown(browser, project, job_id, "view=low_counts")) == {*ids[1::3], *ids[2::3]}
    assert set(shown(browser, project, job_id, "view=replace")) == set(ids[1::3])
    assert shown(browser, project, job_id, "view=unknowns&state=unknown") == [ids[3]]
    deploy(project.id, version.id, upper=0.93, lower=0.92)
    assert shown(browser, project, job_id, "view=look_alikes&sort=doubtful") == ids[2:11]
    assert shown(browser, project, job_id, "view=lowest&state=pool&sort=doubtful")[0] == ids[0]
    counts = browser.get(f"/projects/{project.slug}/identify/{job_id}/classes?view=low_counts").text
    assert "Plum" in counts
    assert "Apple" not in counts


def test_pages_follow_one_another_without_a_gap(sign_in_as: SignInAs, project: Project, version: TinyVersion):
    browser = sign_in_as("labeller")
    with write() as session:
        ids = images(session, project.id, 130)
        run_id = request_run(
            session, project_id=project.id, kind="identification.identify", title="Pool", parameters={}
        )
        job_id = open_job(
            session, project_id=project.id, run_id=run_id, version_id=version.id, purpose="identification"
        )
    scores = np.tile(np.array([[0.5, 0.3, 0.2]], dtype=np.float32), (130, 1))
    store_scores(job_id, version.class_ids, ids, scores)
    address, seen = f"/projects/{project.slug}/identify/{job_id}", []
    while address:
        page = browser.get(address).text
        seen += [int(found) for found in re.findall(r'role="option"[^>]*data-id="(\d+)"', page)]
        onward = re.search(r'rel="next" href="([^"]+)"', page)
        address = onward.group(1).replace("&amp;", "&") if onward else ""
    assert seen == ids[::-1]


def test_accepting_labels_each_image_with_its_own_prediction_as_one_act(
    sign_in_as: SignInAs, project: Project, scored: tuple[int, list[int]], version: TinyVersion
):
    browser, (job_id, ids) = sign_in_as("labeller"), scored
    sent = {"image_ids": ids[:3], "versions": {str(ids[0]): 0, str(ids[1]): 7}, "request_key": "accept-0001"}
    address = f"/projects/{project.slug}/identify/{job_id}/accept"
    answer = browser.post(address, json=sent)
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert done["changed"] == 2
    assert [skipped["image_id"] for skipped in done["skipped"]] == [ids[1]]
    assert browser.post(address, json=sent).json()["action_id"] == done["action_id"]
    with read() as session:
        found = session.execute(select(Image.id, Image.state, Image.class_id).where(Image.id.in_(ids[:3]))).all()
        events = session.scalars(select(LabelEvent).order_by(LabelEvent.image_id)).all()
        assert {tuple(row) for row in found} == {
            (ids[0], "labelled", version.class_ids[0]),
            (ids[1], "pool", None),
            (ids[2], "labelled", version.class_ids[2]),
        }
        assert [(event.how, event.suggested_by_version_id) for event in events] == [
            ("accepted_suggestion", version.id)
        ] * 2
        assert [event.suggestion_confidence for event in events] == pytest.approx([0.4, 0.5])
        assert {event.user_id for event in events} == {browser.user_id}
    assert set(shown(browser, project, job_id)) == set(ids) - {ids[0], ids[2]}


def test_a_class_merged_since_is_accepted_as_the_one_it_went_into(
    sign_in_as: SignInAs, project: Project, scored: tuple[int, list[int]], version: TinyVersion
):
    browser, (job_id, ids) = sign_in_as("labeller"), scored
    apple, pear, _ = version.class_ids
    with write() as session:
        merge_classes(session, project_id=project.id, source_id=apple, target_id=pear, user_id=browser.user_id)
    answer = browser.post(f"/projects/{project.slug}/identify/{job_id}/accept", json={"image_ids": ids[:1]})
    assert answer.status_code == 200, answer.text
    with read() as session:
        assert session.scalar(select(Image.class_id).where(Image.id == ids[0])) == pear


def test_images_of_another_job_or_project_are_not_accepted(
    sign_in_as: SignInAs, project: Project, scored: tuple[int, list[int]]
):
    browser, (job_id, ids) = sign_in_as("labeller"), scored
    with write() as session:
        unscored = images(session, project.id, 1, start=90)
    address = f"/projects/{project.slug}/identify"
    assert browser.post(f"{address}/{job_id}/accept", json={"image_ids": [ids[0], *unscored]}).status_code == 422
    assert browser.post(f"{address}/{job_id + 1}/accept", json={"image_ids": ids[:1]}).status_code == 404
    viewer = sign_in_as("viewer")
    assert viewer.post(f"{address}/{job_id}/accept", json={"image_ids": ids[:1]}).status_code == 403
    with read() as session:
        assert session.scalars(select(LabelEvent.id)).all() == []


@pytest.mark.parametrize(
    "name",
    [
        "password_hash",
        "project_id",
        "image__project__member__user__password_hash",
        "image.project_id",
        "class_1",
        "job_id",
        "token_hash",
        "order_by",
        "sort_by",
        "__class__",
    ],
)
def test_forbidden_fields_are_refused_alike_whatever_they_are(
    sign_in_as: SignInAs, project: Project, scored: tuple[int, list[int]], name: str
):
    browser, (job_id, _) = sign_in_as("viewer"), scored
    answers = [
        browser.get(
            f"/projects/{project.slug}/identify/{job_id}{part}",
            params={name: value},
            headers={"Accept": "application/json"},
        )
        for part in ("", "/classes")
        for value in ("1", "$argon2", "a%")
    ]
    baseline = browser.get(
        f"/projects/{project.slug}/identify/{job_id}", params={"nonsense": "1"}, headers={"Accept": "application/json"}
    )
    assert baseline.status_code == 422
    assert {(answer.status_code, answer.json()["error"]["message"]) for answer in answers} == {
        (422, baseline.json()["error"]["message"])
    }


@pytest.mark.parametrize("sort", ["confident", "doubtful"])
def test_the_list_goes_on_both_ways_from_any_image(project: Project, scored: tuple[int, list[int]], sort: str):
    job_id, ids = scored
    wanted, order = ResultFilter.model_validate({"sort": sort}), ids if sort == "doubtful" else ids[::-1]
    with read() as session:
        scope = job_scope(session, job_id, project.id)
        down = [results_page(session, scope, wanted, limit=5)]
        while down[-1].older:
            down.append(results_page(session, scope, wanted, before=down[-1].older, limit=5))
        assert [[each.image_id for each in page.results] for page in down] == [order[:5], order[5:10], order[10:]]
        from_eighth = results_page(session, scope, wanted, at=order[7], limit=5)
        assert [each.image_id for each in from_eighth.results] == order[7:]
        up = [results_page(session, scope, wanted, after=from_eighth.newer, limit=5)]
        while up[-1].newer:
            up.append(results_page(session, scope, wanted, after=up[-1].newer, limit=5))
        assert [[each.image_id for each in page.results] for page in up] == [order[2:7], order[:2]]
        assert (down[0].newer, down[-1].older, from_eighth.older) == (None, None, None)


def test_the_grid_gets_further_results_as_a_fragment(
    sign_in_as: SignInAs, project: Project, scored: tuple[int, list[int]]
):
    browser, (job_id, ids) = sign_in_as("viewer"), scored
    answer = browser.get(f"/projects/{project.slug}/identify/{job_id}/cells?at={ids[3]}&low=0.5")
    assert [int(found) for found in re.findall(r'data-id="(\d+)"', answer.text)] == [ids[3], ids[2]]
    assert re.findall(r'data-(?:older|newer)="[^":]*:?(\d*)"', answer.text) == ["", str(ids[3])]
    assert browser.get(f"/projects/{project.slug}/identify/{job_id}/cells?at=0").status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        "class_id=abc",
        "class_id=0",
        "class_id=99999999999999999999",
        "low=nan",
        "low=inf",
        "high=2",
        "low=-1",
        "view=secrets",
        "state=quarantined",
        "sort=id;DROP TABLE image",
        "after=x",
        "before=0.5:0.5",
        "before=nan:1",
        "after=0.5:99999999999999999999",
        "class_id=1&class_id=2",
    ],
)
def test_hostile_values_are_refused(sign_in_as: SignInAs, project: Project, scored: tuple[int, list[int]], query: str):
    browser, (job_id, _) = sign_in_as("viewer"), scored
    assert browser.get(f"/projects/{project.slug}/identify/{job_id}?{query}").status_code == 422


def test_an_engineer_starts_a_job_and_sees_it_in_the_list(sign_in_as: SignInAs, project: Project, version: TinyVersion):
    browser = sign_in_as("engineer")
    address = f"/projects/{project.slug}/identify"
    answer = browser.post(address, data={"version_id": str(version.id), "kind": "filter", "query": "origin=staged"})
    assert answer.status_code == 303, answer.text
    with read() as session:
        run = session.scalars(select(Run).where(Run.kind == "identification.identify")).one()
        assert run.parameters == {
            "version_id": version.id,
            "selection": {"kind": "filter", "query": "origin=staged"},
        }
        assert run.created_by == browser.user_id
    assert "Identify a filtered selection by v1" in browser.get(address).text
    assert browser.post(address, data={"version_id": str(version.id), "kind": "ids"}).status_code == 422
    assert browser.post(address, data={"kind": "pool"}).status_code == 409
    assert sign_in_as("labeller").post(address, data={"version_id": str(version.id)}).status_code == 403


def test_the_empty_page_says_what_to_do(sign_in_as: SignInAs, project: Project):
    page = sign_in_as("viewer").get(f"/projects/{project.slug}/identify")
    assert page.status_code == 200
    assert "There is no version yet" in page.text


def test_hostile_class_names_are_text(sign_in_as: SignInAs, project: Project):
    name = '<script>alert("x")</script>'
    hostile = tiny_version(project.id, [name, "Pear"])
    browser = sign_in_as("viewer")
    with write() as session:
        ids = images(session, project.id, 1)
        run_id = request_run(
            session, project_id=project.id, kind="identification.identify", title="<b>Pool</b>", parameters={}
        )
        job_id = open_job(
            session, project_id=project.id, run_id=run_id, version_id=hostile.id, purpose="identification"
        )
    store_scores(job_id, hostile.class_ids, ids, np.array([[0.9, 0.1]], dtype=np.float32))
    for address in ("identify", f"identify/{job_id}", f"identify/{job_id}/classes", f"images/{ids[0]}/predictions"):
        page = browser.get(f"/projects/{project.slug}/{address}")
        assert page.status_code == 200, page.text
        assert name not in page.text
        assert "<b>Pool</b>" not in page.text
