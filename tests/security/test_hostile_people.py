"""A labeller who wants more than a labeller's rights, and names that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from app.accounts.roles import ROLES
from app.core.database import write
from app.labelling.schemas import MAX_IMAGES
from app.labelling.service import REMOVE_AT_ONCE
from tests.factories.library import add_images
from tests.factories.projects import add_member
from tests.security.rules import DECLARED
from tests.security.snapshots import contents
from tests.security.world import World, build
from tests.web_client import Browser, SignInAs, make_api_token

JSON = {"Accept": "application/json"}
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@pytest.fixture
def world(application: object) -> World:  # noqa: ARG001 - its installation must exist first
    """The project that the labeller works in."""
    return build("The marsh")


@pytest.fixture
def labeller(world: World, sign_in_as: SignInAs) -> Browser:
    """The hostile one."""
    return member(sign_in_as, world, "labeller")


def member(sign_in_as: SignInAs, world: World, role: str) -> Browser:
    browser = sign_in_as("stranger")
    browser.headers.update(JSON)
    with write() as session:
        add_member(session, project_id=world.project_id, user_id=browser.user_id, role=role)
    return browser


def test_what_a_request_may_not_say_is_refused_not_believed(installation: Path, world: World, labeller: Browser):
    """Whose act it is, when, how and in which project is never the client's to tell."""
    base = f"/projects/{world.slug}"
    label = {"image_ids": world.images[6:7], "act": "label", "class_id": world.class_ids[0]}
    extra = ("user_id", "project_id", "by", "at", "kind", "summary", "state", "is_reviewed", "label_version", "id")
    before = contents(installation)
    for field in extra:
        assert labeller.post(f"{base}/labels", json={**label, field: 1}).status_code == 422, field
        assert labeller.post(f"{base}/label/next", json={field: 1}).status_code == 422, field
    for how in ("import", "review", "undo", "", "MANUAL"):
        assert labeller.post(f"{base}/labels", json={**label, "how": how}).status_code == 422, how
    for act in ("purge", "delete", "labelled", "quarantined", "settle", "undo", ""):
        assert labeller.post(f"{base}/labels", json={**label, "act": act}).status_code == 422, act
    accept = world.address("/projects/{slug}/identify/{job_id}/accept")
    assert labeller.post(accept, json={"image_ids": world.images[7:8], "class_id": 1}).status_code == 422
    assert contents(installation) == before


def test_mass_acts_have_limits(world: World, labeller: Browser, sign_in_as: SignInAs):
    with write() as session:
        ids = add_images(session, world.project_id, REMOVE_AT_ONCE + 1)
    address = f"/projects/{world.slug}/labels"
    remove = {"image_ids": ids, "act": "remove"}
    assert labeller.post(address, json=remove).status_code == 403
    assert labeller.post(address, json={**remove, "image_ids": ids[1:] + ids[1:]}).json()["changed"] == REMOVE_AT_ONCE
    assert member(sign_in_as, world, "engineer").post(address, json=remove).json()["changed"] == 1
    beyond = list(range(1, MAX_IMAGES + 2))
    for act in ("remove", "restore", "unknown", "rotate"):
        assert labeller.post(address, json={"image_ids": beyond, "act": act}).status_code == 422


def test_undo_takes_back_ones_own_acts_alone(installation: Path, world: World, labeller: Browser, sign_in_as: SignInAs):
    reviewer = member(sign_in_as, world, "reviewer")
    base = f"/projects/{world.slug}"
    reviewer.post(f"{base}/classes/{world.class_ids[2]}/merge", data={"target_id": world.class_ids[1]})
    theirs = reviewer.post(f"{base}/labels", json={"image_ids": world.images[5:7], "act": "unknown"}).json()
    before = contents(installation)
    for action_id in range(1, theirs["action_id"] + 1):
        assert labeller.post(f"{base}/actions/{action_id}/undo").status_code == 403
    assert labeller.post(f"{base}/actions/{theirs['action_id'] + 1}/undo").status_code == 404
    assert contents(installation) == before
    own = labeller.post(f"{base}/labels", json={"image_ids": world.images[7:8], "act": "none"}).json()
    assert labeller.post(own["undo_url"]).json()["changed"] == 1


def test_a_request_key_of_another_is_no_way_to_their_result(world: World, labeller: Browser, sign_in_as: SignInAs):
    other = member(sign_in_as, world, "labeller")
    sent = {"image_ids": world.images[5:6], "act": "unknown", "request_key": "shared-key-1"}
    address = f"/projects/{world.slug}/labels"
    assert other.post(address, json=sent).status_code == 200
    refused = labeller.post(address, json=sent)
    assert refused.status_code == 409
    assert "action_id" not in refused.text


def test_no_token_has_more_rights_than_its_maker(world: World, labeller: Browser, visitor: Browser):
    for role in ROLES[ROLES.index("labeller") + 1 :]:
        sent = {"name": "mine", "project": world.slug, "role": role}
        assert labeller.post("/account/tokens", data=sent).status_code == 403
    token = make_api_token(user_id=labeller.user_id, project_id=world.project_id, role="administrator")
    headers = {**JSON, "Authorization": f"Bearer {token}"}
    for name, role in DECLARED.items():
        if role in ("reviewer", "engineer", "administrator"):
            method, _, path = name.partition(" ")
            assert visitor.request(method, world.address(path), headers=headers).status_code == 403, name


def test_who_is_taken_out_of_a_project_is_out_at_once(world: World, labeller: Browser, sign_in_as: SignInAs):
    administrator = member(sign_in_as, world, "administrator")
    address = f"/projects/{world.slug}/labels"
    own = labeller.post(address, json={"image_ids": world.images[7:8], "act": "none"}).json()
    administrator.post(f"/projects/{world.slug}/members/{labeller.user_id}/remove")
    for answer in (
        labeller.post(own["undo_url"]),
        labeller.post(address, json={"image_ids": world.images[7:8], "act": "pool"}),
        labeller.get(world.address("/projects/{slug}/images/{image_id}/thumbnail")),
        labeller.get(world.address("/projects/{slug}/runs/{run_id}/events")),
    ):
        assert answer.status_code == 404


def test_no_cell_of_any_table_is_a_formula(application: object, sign_in_as: SignInAs):  # noqa: ARG001 - must exist first
    world = build("Formulas", named=lambda kind: f"=cmd|' /C {kind}'!A0")
    root = sign_in_as("root")
    base = f"/projects/{world.slug}"
    tables = ["days", "clients", "versions", "decisions", "accuracy", "confidence", "classes", "production"]
    cells = 0
    for address in (f"{base}/classes.csv", *(f"{base}/reports/{table}.csv" for table in tables)):
        answer = root.get(address)
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
        for row in csv.reader(io.StringIO(answer.text)):
            for cell in row:
                assert not cell.startswith(FORMULA_SIGNS), (address, cell)
                cells += "/C " in cell
    assert cells > 8
