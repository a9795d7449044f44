"""The pages of review, history and people: who may see what, and that a second opinion is blind."""

from __future__ import annotations

import csv
import io

import pytest

from app.core.database import write
from app.labelling.classes import create_class
from app.projects.models import Project
from tests.factories import labelling as make
from tests.web_client import Browser, SignInAs


@pytest.fixture
def classes(project: Project) -> dict[str, int]:
    with write() as session:
        return {
            name: create_class(session, project_id=project.id, name=name).id for name in ("Heron", "Egret", "Stork")
        }


def labelled(browser: Browser, project: Project, class_id: int, count: int = 2) -> list[int]:
    with write() as session:
        image_ids = make.images(session, project.id, count)
    body = {"image_ids": image_ids, "act": "label", "class_id": class_id}
    browser.post(f"/projects/{project.slug}/labels", json=body)
    return image_ids


def test_a_second_opinion_is_asked_given_blind_and_settled(
    sign_in_as: SignInAs, project: Project, classes: dict[str, int]
):
    ann, ben, rita, base = *map(sign_in_as, ("labeller", "labeller", "reviewer")), f"/projects/{project.slug}/review"
    image_ids = labelled(ann, project, classes["Heron"])
    asked = rita.post(f"{base}/ask", json={"selection": {"image_ids": image_ids}}).json()
    assert (asked["chosen"], asked["asked"]) == (2, 2)
    assert ann.post(f"{base}/ask", json={"selection": {"image_ids": image_ids}}).status_code == 403
    assert ann.post(f"{base}/next", json={}).json() == {"asked": [], "waiting": 0}
    given = ben.post(f"{base}/next", json={})
    assert "Heron" not in given.text
    first, second = given.json()["asked"]
    assert set(first) == {"id", "picture", "turn"}
    for each, said in ((first, classes["Heron"]), (second, classes["Egret"])):
        answer = ben.post(f"{base}/{each['id']}/answer", json={"state": "labelled", "class_id": said})
        assert answer.json() == {"answered": each["id"]}
    assert ben.get(f"{base}/disagreements").status_code == 403
    page = rita.get(f"{base}/disagreements").text
    assert 'Heron <span class="muted">or</span> Egret' in page
    form = {"state": "labelled", "label": f"{classes['Stork']}", "version": "1"}
    assert rita.post(f"{base}/{second['id']}/settle", data=form).status_code == 303
    assert "No disagreement waits" in rita.get(f"{base}/disagreements").text
    with write() as session:
        assert make.image(session, image_ids[1]).class_id == classes["Stork"]
    rows = list(csv.DictReader(io.StringIO(rita.get(f"{base}/agreement.csv").text)))
    assert [(row["of"], row["what"], row["pairs"], row["agreed"]) for row in rows][:1] == [
        ("all", "all pairs", "2", "1")
    ]
    assert "By pair of people" in rita.get(f"{base}/agreement").text


def test_an_answer_is_taken_back_by_who_gave_it(sign_in_as: SignInAs, project: Project, classes: dict[str, int]):
    ann, ben, rita, base = *map(sign_in_as, ("labeller", "labeller", "reviewer")), f"/projects/{project.slug}/review"
    image_ids = labelled(ann, project, classes["Heron"], 1)
    assert rita.post(f"{base}/ask-newest", data={"class_id": "", "count": "5"}).status_code == 303
    (asked,) = ben.post(f"{base}/next", json={}).json()["asked"]
    ben.post(f"{base}/{asked['id']}/answer", json={"state": "labelled", "class_id": classes["Heron"]})
    assert rita.post(f"{base}/{asked['id']}/take-back").status_code == 403
    assert ben.post(f"{base}/{asked['id']}/take-back").status_code == 200
    assert ben.post(f"{base}/{asked['id']}/take-back").status_code == 403
    with write() as session:
        assert not make.image(session, image_ids[0]).is_reviewed
    assert ben.post(f"{base}/next", json={}).json()["asked"] == [asked]


def test_what_two_people_touched_at_once_is_shown_with_who_and_what(
    sign_in_as: SignInAs, project: Project, classes: dict[str, int]
):
    ann, ben, base = sign_in_as("labeller"), sign_in_as("labeller"), f"/projects/{project.slug}"
    image_ids = labelled(ann, project, classes["Heron"])
    body = {"image_ids": image_ids, "act": "label", "class_id": classes["Egret"], "versions": {str(image_ids[0]): 0}}
    done = ben.post(f"{base}/labels", json=body).json()
    assert (done["changed"], done["skipped_count"]) == (1, 1)
    for address in ("/history/meanwhile", "/history"):
        page = ann.get(base + address).text
        assert "changed meanwhile" in page
        assert "now Heron" in page
    assert f"action_id={done['action_id']}" in ann.get(f"{base}/history").text
    changed = ann.get(f"{base}/library?action_id={done['action_id']}").text
    assert f'data-id="{image_ids[1]}"' in changed
    assert f'data-id="{image_ids[0]}"' not in changed


def test_one_sees_one_s_own_work_and_a_reviewer_everybody_s(
    sign_in_as: SignInAs, project: Project, classes: dict[str, int]
):
    ann, ben, rita, base = *map(sign_in_as, ("labeller", "labeller", "reviewer")), f"/projects/{project.slug}/people"
    labelled(ann, project, classes["Heron"], 3)
    own = ann.get(f"{base}/{ann.user_id}")
    assert own.status_code == 200
    assert "Labelled Heron" in own.text
    assert "Most on one day: 3" in own.text
    assert ben.get(f"{base}/{ann.user_id}").status_code == 403
    assert ben.get(base).status_code == 403
    page = rita.get(f"{base}/{ann.user_id}").text
    assert "/undo" in page
    assert f"/people/{ann.user_id}" in rita.get(base).text
    with write() as session:
        stranger = make.user(session, "somebody else")
    assert rita.get(f"{base}/{stranger}").status_code == 404
