"""Pages and endpoints of labelling: what they do, for whom, and that names are shown as text."""

from __future__ import annotations

import pytest

from app.core.clock import now
from app.core.database import read, write
from app.labelling import classes
from app.labelling.models import LabelAction, LabelClass
from app.labelling.queue_models import QueueLease
from app.library.models import LabelConflict
from app.projects.models import Project
from tests.factories import labelling as make
from tests.web_client import SignInAs

HOSTILE = '"><img src=x onerror=alert(1)>'
KEY = "tab-1:00000001"


def new_class(project: Project, name: str) -> int:
    with write() as session:
        return classes.create_class(session, project_id=project.id, name=name).id


def pool(project: Project, count: int = 3) -> list[int]:
    with write() as session:
        return make.images(session, project.id, count)


def test_a_labeller_labels_by_json_and_a_retry_changes_nothing_twice(sign_in_as: SignInAs, project: Project):
    browser, heron, image_ids = sign_in_as("labeller"), new_class(project, "Heron"), pool(project)
    body = {
        "image_ids": image_ids,
        "act": "label",
        "class_id": heron,
        "how": "grid",
        "versions": {str(image_ids[0]): 0, str(image_ids[1]): 5},
        "request_key": KEY,
    }
    answers = [browser.post(f"/projects/{project.slug}/labels", json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    said = answers[0].json()
    assert said == answers[1].json()
    assert (said["changed"], said["skipped_count"]) == (2, 1)
    assert said["skipped"][0]["why"] == "changed meanwhile"
    assert said["versions"] == {str(image_ids[0]): 1, str(image_ids[2]): 1}
    undone = browser.post(said["undo_url"], json={}, headers={"Accept": "application/json"}).json()
    assert (undone["changed"], undone["versions"]) == (2, {str(image_ids[0]): 2, str(image_ids[2]): 2})


@pytest.mark.parametrize(
    "body",
    [
        {"image_ids": [], "act": "unknown"},
        {"image_ids": [1], "act": "label"},
        {"image_ids": [1], "act": "not_good", "reason": "ugly"},
        {"image_ids": [1], "act": "purge"},
        {"image_ids": [1], "act": "unknown", "class_id": 1},
        {"image_ids": [0], "act": "unknown"},
        {"image_ids": [2**63], "act": "unknown"},
        {"image_ids": [1], "act": "unknown", "request_key": "x"},
        {"image_ids": [1], "act": "unknown", "state": "removed"},
        {"image_ids": list(range(1, 10_002)), "act": "unknown"},
        {"image_ids": [1], "act": "label", "class_id": 1, "suggestion": {"version_id": 1, "confidences": {"1": 2}}},
    ],
)
def test_what_makes_no_sense_is_refused(sign_in_as: SignInAs, project: Project, body: dict[str, object]):
    answer = sign_in_as("labeller").post(f"/projects/{project.slug}/labels", json=body)
    assert answer.status_code == 422


def test_mass_removal_is_an_engineer_s(sign_in_as: SignInAs, project: Project):
    body = {"image_ids": pool(project, 61), "act": "remove"}
    assert sign_in_as("reviewer").post(f"/projects/{project.slug}/labels", json=body).status_code == 403
    assert sign_in_as("engineer").post(f"/projects/{project.slug}/labels", json=body).json()["changed"] == 61


def test_undoing_another_s_act_is_a_reviewer_s(sign_in_as: SignInAs, project: Project):
    ann, ben, rita = sign_in_as("labeller"), sign_in_as("labeller"), sign_in_as("reviewer")
    said = ann.post(f"/projects/{project.slug}/labels", json={"image_ids": pool(project), "act": "unknown"}).json()
    assert ben.post(said["undo_url"]).status_code == 403
    assert "by a reviewer" in ben.get(f"/projects/{project.slug}/history").text
    assert "Set aside as unknown" not in ben.get(f"/projects/{project.slug}/history?by=mine").text
    answer = rita.post(said["undo_url"])
    assert (answer.status_code, answer.headers["location"]) == (303, f"/projects/{project.slug}/history")
    assert "undone" in rita.get(f"/projects/{project.slug}/history").text


def test_the_screen_gets_images_that_wait_and_keeps_them_for_the_labeller(sign_in_as: SignInAs, project: Project):
    ann, ben, image_ids = sign_in_as("labeller"), sign_in_as("labeller"), pool(project, 6)
    path = f"/projects/{project.slug}/label"
    page = ann.get(path)
    assert page.status_code == 200
    assert "6 waiting" in page.text
    first = ann.post(f"{path}/next", json={"count": 3}).json()
    assert [image["id"] for image in first["images"]] == image_ids[:2:-1]
    assert first["images"][0]["picture"] == f"/projects/{project.slug}/images/{image_ids[5]}/rendition"
    assert (first["version_id"], first["waiting"], first["today"]) == (None, 6, 0)
    assert [image["id"] for image in ben.post(f"{path}/next", json={"count": 3}).json()["images"]] == image_ids[2::-1]
    ann.post(f"{path}/skip", json={"image_ids": [image_ids[5]]})
    with read() as session:
        assert session.get_one(QueueLease, image_ids[5]).is_skipped
    ann.post(f"/projects/{project.slug}/labels", json={"image_ids": [image_ids[4]], "act": "none"})
    later = ann.post(f"{path}/next", json={"count": 3, "first": image_ids[4], "have": [image_ids[3]]}).json()
    assert [image["id"] for image in later["images"]] == [image_ids[4]]
    assert later["today"] == 1


def test_an_image_of_another_project_is_not_shown_first(sign_in_as: SignInAs, project: Project):
    with write() as session:
        elsewhere = make.images(session, make.project(session, "Other"), 1)
    browser = sign_in_as("labeller")
    answer = browser.post(f"/projects/{project.slug}/label/next", json={"first": elsewhere[0]})
    assert answer.json()["images"] == []
    assert (
        f'data-first="{elsewhere[0]}"' not in browser.get(f"/projects/{project.slug}/label?image={elsewhere[0]}").text
    )


def test_one_image_is_labelled_by_a_plain_form(sign_in_as: SignInAs, project: Project):
    browser, heron, image_ids = sign_in_as("labeller"), new_class(project, "Heron"), pool(project)
    with write() as session:
        sub_id = classes.create_sub_class(session, project_id=project.id, class_id=heron, name="grey").id
    page = browser.get(f"/projects/{project.slug}/label?image={image_ids[0]}").text
    assert f'<option value="{heron}:{sub_id}">Heron / grey</option>' in page
    form = {"image_id": image_ids[0], "version": 0, "act": "label", "label": f"{heron}:{sub_id}", "reason": ""}
    answer = browser.post(f"/projects/{project.slug}/label", data=form)
    assert answer.headers["location"] == f"/projects/{project.slug}/images/{image_ids[0]}"
    with read() as session:
        assert make.image(session, image_ids[0]).sub_class_id == sub_id
    refused = browser.post(f"/projects/{project.slug}/label", data=form | {"label": ""})
    assert refused.status_code == 422


def test_classes_are_made_renamed_merged_and_archived_by_a_reviewer(sign_in_as: SignInAs, project: Project):
    browser, base = sign_in_as("reviewer"), f"/projects/{project.slug}/classes"
    heron, egret = new_class(project, "Heron"), new_class(project, "Egret")
    assert browser.post(base, data={"name": "heron"}).status_code == 409
    made = browser.post(base, data={"name": "Stork"}, headers={"Accept": "application/json"})
    assert (made.status_code, made.json()["name"]) == (201, "Stork")
    browser.post(f"{base}/{heron}", data={"name": "Grey heron", "note": "Long neck."})
    browser.post(f"{base}/{heron}/sub-classes", data={"name": "young"})
    image_ids = pool(project)
    browser.post(f"/projects/{project.slug}/labels", json={"image_ids": image_ids, "act": "label", "class_id": heron})
    assert "3 of 40, needs 37 more" in browser.get(base).text
    assert "Long neck." in browser.get(f"{base}/{heron}").text
    assert browser.post(f"{base}/{heron}/archive").status_code == 409
    merged = browser.post(f"{base}/{heron}/merge", data={"target_id": egret, "keep_as_sub_class": "true"})
    assert merged.headers["location"] == f"{base}/{egret}"
    assert "merged into Egret" in browser.get(base).text
    names = [one["name"] for one in browser.get(f"{base}.json").json()["classes"]]
    assert names == ["Egret", "Stork"]
    with read() as session:
        action = session.query(LabelAction).where(LabelAction.kind == "merge").one()
    browser.post(f"/projects/{project.slug}/actions/{action.id}/undo")
    with read() as session:
        assert session.get_one(LabelClass, heron).archived_at is None
        assert make.image(session, image_ids[0]).class_id == heron


def test_a_labeller_changes_no_class(sign_in_as: SignInAs, project: Project):
    browser, heron = sign_in_as("labeller"), new_class(project, "Heron")
    base = f"/projects/{project.slug}/classes"
    for path in ("", f"/{heron}", f"/{heron}/archive", f"/{heron}/bring-back", f"/{heron}/sub-classes"):
        assert browser.post(f"{base}{path}", data={"name": "Stork"}).status_code == 403
    assert browser.post(f"{base}/{heron}/merge", data={"target_id": heron}).status_code == 403
    assert "Merge Heron" not in browser.get(f"{base}/{heron}").text


def test_classes_are_sorted_and_found_by_the_address(sign_in_as: SignInAs, project: Project):
    browser, base = sign_in_as("viewer"), f"/projects/{project.slug}/classes"
    heron = new_class(project, "Heron")
    for name in ("Egret", "Stork"):
        new_class(project, name)
    labeller = sign_in_as("labeller")
    body = {"image_ids": pool(project), "act": "label", "class_id": heron}
    labeller.post(f"/projects/{project.slug}/labels", json=body)

    def order(query: str) -> list[str]:
        text = browser.get(base + query).text
        return sorted(("Egret", "Heron", "Stork"), key=lambda name: text.find(f">{name}</a>"))

    assert order("") == ["Egret", "Heron", "Stork"]
    assert order("?sort=-name") == ["Stork", "Heron", "Egret"]
    assert order("?sort=-count")[0] == "Heron"
    found = browser.get(f"{base}?q=ERO").text
    assert ">Heron</a>" in found
    assert ">Egret</a>" not in found
    assert browser.get(f"{base}?sort=note").status_code == 422


def test_hostile_names_are_text_everywhere(sign_in_as: SignInAs, project: Project):
    browser, base = sign_in_as("engineer"), f"/projects/{project.slug}"
    hostile = new_class(project, HOSTILE)
    with write() as session:
        classes.create_sub_class(session, project_id=project.id, class_id=hostile, name=HOSTILE)
        image_ids = make.images(session, project.id, 1, file_name=HOSTILE)
    browser.post(f"{base}/labels", json={"image_ids": image_ids, "act": "label", "class_id": hostile})
    for path in (
        "/label",
        f"/label?image={image_ids[0]}&class_id={hostile}",
        "/classes",
        f"/classes/{hostile}",
        "/history",
        f"/images/{image_ids[0]}/history",
    ):
        answer = browser.get(base + path)
        assert answer.status_code == 200
        assert "<img src=x" not in answer.text
    assert browser.get(f"{base}/classes.json").json()["classes"][0]["name"] == HOSTILE
    assert browser.get(f"{base}/classes.json").headers["content-type"] == "application/json"


def test_the_history_of_an_image_says_what_changed(sign_in_as: SignInAs, project: Project):
    browser, heron, image_ids = sign_in_as("labeller"), new_class(project, "Heron"), pool(project)
    base = f"/projects/{project.slug}"
    for act in ({"act": "label", "class_id": heron}, {"act": "not_good", "reason": "not_upright"}, {"act": "rotate"}):
        browser.post(f"{base}/labels", json={"image_ids": image_ids[:1], **act})
    text = browser.get(f"{base}/images/{image_ids[0]}/history").text
    assert "<!DOCTYPE" not in text
    for words in ("Heron", "not good: not upright", "90°", "by hand"):
        assert words in text
    assert browser.get(f"{base}/images/{image_ids[0] + 1000}/history").status_code == 404


def test_a_reviewer_takes_the_label_that_arrived_later(sign_in_as: SignInAs, project: Project):
    image_ids = pool(project)
    with write() as session:
        session.add(
            LabelConflict(
                project_id=project.id, image_id=image_ids[0], class_name="Heron", sub_class_name="", created_at=now()
            )
        )
    path = f"/projects/{project.slug}/conflicts/1/take"
    assert sign_in_as("labeller").post(path).status_code == 403
    assert sign_in_as("reviewer").post(path).status_code == 303
    with read() as session:
        assert make.image(session, image_ids[0]).state == "labelled"


def test_nothing_of_another_project_is_reached(sign_in_as: SignInAs, project: Project):
    browser = sign_in_as("administrator")
    with write() as session:
        other = make.workplace(session, "Other")
        elsewhere = make.images(session, other.project_id, 1)
    base = f"/projects/{project.slug}"
    assert browser.get(f"{base}/classes/{other.lion}").status_code == 404
    assert browser.post(f"{base}/classes/{other.lion}", data={"name": "x"}).status_code == 404
    assert browser.get(f"{base}/images/{elsewhere[0]}/history").status_code == 404
    said = browser.post(f"{base}/labels", json={"image_ids": elsewhere, "act": "unknown"}).json()
    assert said["skipped"][0]["why"] == "no such image in this project"
    assert said["skipped"][0]["now"] is None
