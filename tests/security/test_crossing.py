"""Ids of another project, in an address or in a body, under one's own project: not found, and nothing changes there.

The caller is an administrator of one project and no member of the other, whose every name says "secret".
"""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from app.accounts.roles import ROLES
from app.core.database import write
from tests.factories.accounts import make_user
from tests.factories.projects import add_member
from tests.security.rules import API, DECLARED, PROJECT, Sent, acceptable
from tests.security.snapshots import contents
from tests.security.test_route_matrix import JSON
from tests.security.world import World, build
from tests.web_client import Browser, SignInAs, make_api_token

# A version's number counts within its project; what it names elsewhere cannot be meant.
NO_IDS = frozenset({"draw", "path", "slug", "token", "table"})
OF_PROJECT = [name for name, role in DECLARED.items() if role in ROLES and "{slug}" in name]


@pytest.fixture
def worlds(application: object) -> tuple[World, World]:  # noqa: ARG001 - its installation must exist first
    """One's own project, and the other."""
    mine = build("Mine")
    theirs = build("Theirs", named=lambda kind: f"secret {kind}", first_photo=20, versions=3)
    with write() as session:
        mine.ids["outsider"] = make_user(session).name
    return mine, theirs


@pytest.fixture
def me(worlds: tuple[World, World], sign_in_as: SignInAs) -> Browser:
    """An administrator of one's own project alone."""
    browser = sign_in_as("stranger")
    with write() as session:
        add_member(session, project_id=worlds[0].project_id, user_id=browser.user_id, role="administrator")
    return browser


def parameters_of(name: str) -> list[str]:
    return [field for _, field, _, _ in string.Formatter().parse(name) if field and field not in NO_IDS]


def test_another_projects_address_is_not_found(installation: Path, worlds: tuple[World, World], me: Browser):
    _, theirs = worlds
    theirs.ids["outsider"] = "nobody"
    sent = acceptable(theirs)
    before = contents(installation)
    for name in OF_PROJECT:
        method, _, path = name.partition(" ")
        given = sent.get(name, Sent())
        answer = me.request(method, theirs.address(path, **given.ids), headers=JSON, **given.options())
        assert answer.status_code == 404, name
        assert "secret" not in answer.text, name
    assert contents(installation) == before


def test_another_projects_ids_are_not_found_under_ones_own_address(
    installation: Path, worlds: tuple[World, World], me: Browser
):
    mine, theirs = worlds
    sent = acceptable(mine)
    before = contents(installation)
    tried = set()
    for name in OF_PROJECT:
        method, _, path = name.partition(" ")
        for parameter in parameters_of(name):
            given = sent.get(name, Sent())
            ids = {**given.ids, parameter: theirs.ids[parameter]}
            answer = me.request(method, mine.address(path, **ids), headers=JSON, **given.options())
            assert answer.status_code == 404, (name, parameter)
            assert "secret" not in answer.text, (name, parameter)
            tried.add(parameter)
    assert tried >= {"image_id", "run_id", "job_id", "snapshot_id", "set_id", "batch_id", "conflict_id", "action_id"}
    assert contents(installation) == before


def test_sessions_and_tokens_of_others_cannot_be_ended(installation: Path, worlds: tuple[World, World], me: Browser):
    _, theirs = worlds
    before = contents(installation)
    for path in ("/account/sessions/{session_id}/end", "/account/tokens/{token_id}/revoke"):
        assert me.post(theirs.address(path), headers=JSON).status_code == 404
    assert contents(installation) == before


def _bodies(mine: World, theirs: World) -> list[tuple[str, Sent]]:
    """Requests of one's own project that name something of the other's, each refused whole."""
    one, others = mine.images[6:7], theirs.images[:2]
    label = {"image_ids": one, "act": "label", "class_id": mine.class_ids[0]}
    many = {"selection": {"filter": ""}, "act": "label", "class_id": mine.class_ids[0]}
    version = theirs.version.id
    answered = {"transaction_id": mine.ids["transaction_id"], "verdict": "wrong"}
    warm = {"start": "warm", "parent_version_id": version, "lower": 2}
    return [
        (f"POST {PROJECT}/labels", Sent(json={**label, "class_id": theirs.class_ids[0]})),
        (f"POST {PROJECT}/labels", Sent(json={**label, "sub_class_id": theirs.ids["sub_class_id"]})),
        (f"POST {PROJECT}/labels", Sent(json={**label, "suggestion": {"version_id": version}})),
        (f"POST {PROJECT}/labels/many", Sent(json={**many, "class_id": theirs.class_ids[0]})),
        (f"POST {PROJECT}/labels/many", Sent(json={**many, "sub_class_id": theirs.ids["sub_class_id"]})),
        *_classes(theirs),
        (
            f"POST {PROJECT}/label",
            Sent(form={"image_id": one[0], "version": 0, "act": "label", "label": theirs.class_ids[0]}),
        ),
        (f"POST {PROJECT}/classes/{{class_id}}/merge", Sent(form={"target_id": theirs.class_ids[1]})),
        (f"POST {PROJECT}/identify", Sent(form={"version_id": version})),
        (f"POST {API}{PROJECT}/identifications", Sent(json={"version_id": version})),
        (f"POST {PROJECT}/identify/{{job_id}}/accept", Sent(json={"image_ids": others})),
        (f"POST {PROJECT}/benchmarks", Sent(json={"name": "x", "image_ids": others})),
        (f"POST {PROJECT}/benchmarks", Sent(json={"set_id": theirs.ids["set_id"], "image_ids": one})),
        (
            f"POST {PROJECT}/benchmarks",
            Sent(json={"name": "x", "image_ids": one, "truth": "class", "class_id": theirs.class_ids[0]}),
        ),
        (f"POST {PROJECT}/train", Sent(form=warm)),
        (f"POST {API}{PROJECT}/runs", Sent(json=warm)),
        (f"POST {PROJECT}/imports", Sent(form={"kind": "upload", "path": theirs.ids["upload_id"]})),
        (
            f"POST {PROJECT}/grades",
            Sent(json={"transaction_id": theirs.ids["transaction_id"], "verdict": "correct"}),
        ),
        (f"POST {PROJECT}/grades", Sent(json={**answered, "true_class_id": theirs.class_ids[0]})),
        (f"POST {PROJECT}/grades/undo", Sent(json={"grade_id": theirs.ids["grade_id"]})),
    ]


def _classes(theirs: World) -> list[tuple[str, Sent]]:
    own, other, images = f"POST {PROJECT}/classes/{{class_id}}", theirs.class_ids[0], theirs.images[:2]
    taken_out = {"image_id": images[0], "class_id": other}
    return [
        (f"{own}/train-as", Sent(form={"as_id": other})),
        (f"{own}/delete", Sent(form={"labels_go": "class", "target_id": other})),
        (f"{own}/split", Sent(form={"sub_class_id": theirs.ids["sub_class_id"]})),
        (f"{own}/examples", Sent(form={"images": str(images[0])})),
        (f"{own}/look-alikes", Sent(form={"other_id": other})),
        (f"POST {PROJECT}/classes/split", Sent(json={"name": "x", "selection": {"image_ids": images}})),
        (f"POST {PROJECT}/label/grid/accept", Sent(json={"taken_out": [taken_out], "request_key": "a-page-answer"})),
        (f"POST {PROJECT}/identify/chosen", Sent(json={"selection": {"image_ids": images}})),
        (f"POST {PROJECT}/library/conflicts/keep", Sent(form={"conflict_ids": theirs.ids["third_conflict_id"]})),
        (f"POST {PROJECT}/library/conflicts/take", Sent(form={"conflict_ids": theirs.ids["fourth_conflict_id"]})),
    ]


def test_another_projects_ids_in_a_body_are_refused(installation: Path, worlds: tuple[World, World], me: Browser):
    mine, theirs = worlds
    before = contents(installation)
    for name, sent in _bodies(mine, theirs):
        method, _, path = name.partition(" ")
        answer = me.request(method, mine.address(path), headers=JSON, **sent.options())
        assert answer.status_code in (404, 422), (name, sent, answer.status_code, answer.text[:300])
        assert "secret" not in answer.text, name
    assert contents(installation) == before


def test_acts_on_lists_pass_over_another_projects_images(installation: Path, worlds: tuple[World, World], me: Browser):
    mine, theirs = worlds
    here = f"/projects/{mine.slug}"
    others = theirs.images
    before = contents(installation)
    for act in ("unknown", "none", "remove", "restore", "rotate", "pool", "good"):
        answer = me.post(f"{here}/labels", json={"image_ids": others, "act": act})
        assert (answer.json()["changed"], answer.json()["skipped_count"]) == (0, len(others))
        assert "secret" not in answer.text
    judged = me.post(f"{here}/library/quality/settle", data={"reason": "dark", "shown": f"{others[0]}:0"}, headers=JSON)
    assert "no such image in this project" in judged.json()["words"]
    wanted = {"count": 0, "first": others[0], "have": others[:3]}
    assert me.post(f"{here}/label/next", json=wanted).json()["images"] == []
    assert me.post(f"{here}/label/skip", json={"image_ids": others[:3]}).status_code == 200
    me.post(f"{here}/label", data={"image_id": others[0], "version": 1, "act": "remove"})
    changed = {name for name, digest in contents(installation).items() if before[name] != digest}
    assert changed == {"label_action"}, "acts that touched nothing are kept as such"


def test_filters_never_reach_into_another_project(worlds: tuple[World, World], me: Browser):
    mine, theirs = worlds
    here, ids = f"/projects/{mine.slug}", theirs.ids
    fields = {
        "class_id": ids["class_id"],
        "sub_class_id": ids["sub_class_id"],
        "batch_id": ids["batch_id"],
        "duplicate_group_id": ids["group_id"],
        "text": "secret",
    }
    addresses = [f"{here}/library?state=any&{field}={value}" for field, value in fields.items()]
    addresses += [f"{here}/images/{mine.images[0]}?{field}={value}" for field, value in fields.items()]
    addresses += [f"{here}/identify/{mine.ids['job_id']}?class_id={ids['class_id']}"]
    addresses += [f"{here}/label?image={ids['image_id']}", f"{here}/label?class_id={ids['class_id']}"]
    addresses += [f"{here}/train?parent_version_id={ids['version_id']}&start=warm"]
    addresses += [f"{here}/transactions?client=secret+client", f"{here}/transactions?before={ids['transaction_id']}"]
    addresses += [f"{here}/models/{mine.ids['number']}?subset=benchmark:{ids['set_id']}"]
    addresses += [f"{here}/grade/more?after={ids['transaction_id']}"]
    for address in addresses:
        answer = me.get(address)
        assert answer.status_code == 200, address
        assert "secret " not in answer.text.replace("secret client", ""), address


def test_a_token_opens_nothing_of_another_project(worlds: tuple[World, World], me: Browser, visitor: Browser):
    mine, theirs = worlds
    with write() as session:
        add_member(session, project_id=theirs.project_id, user_id=me.user_id, role="administrator")
    token = make_api_token(user_id=me.user_id, project_id=mine.project_id, role="administrator")
    headers = {**JSON, "Authorization": f"Bearer {token}"}
    theirs.ids["outsider"] = "nobody"
    sent = acceptable(theirs)
    for name in OF_PROJECT:
        method, _, path = name.partition(" ")
        given = sent.get(name, Sent())
        answer = visitor.request(method, theirs.address(path, **given.ids), headers=headers, **given.options())
        assert answer.status_code == 404, name
