"""Who may do what: every route of accounts and projects for every role, and what a refusal leaves untouched."""

from __future__ import annotations

import pytest

from app.accounts.roles import ROLES, allows, as_role, lesser, up_to
from app.core.database import read
from app.core.errors import InvalidInput
from app.projects.models import Project
from tests.web_client import Browser, SignInAs, make_api_token

EVERYONE = ("visitor", "stranger", *ROLES, "root")
BASE = "/projects/birds-of-the-marsh"
ANY_USER = frozenset({"stranger", *ROLES, "root"})
ADMINISTRATORS = frozenset({"administrator", "root"})
ROUTES = [
    ("GET", "/account", ANY_USER),
    ("GET", "/account/password", ANY_USER),
    ("GET", "/projects", ANY_USER),
    ("GET", "/projects/new", frozenset({"root"})),
    ("POST", "/projects", frozenset({"root"})),
    ("GET", "/users", frozenset({"root"})),
    ("POST", "/users", frozenset({"root"})),
    ("POST", "/users/999/password", frozenset({"root"})),
    ("POST", "/users/999/activate", frozenset({"root"})),
    ("POST", "/users/999/deactivate", frozenset({"root"})),
    ("GET", f"{BASE}/settings", ADMINISTRATORS),
    ("POST", f"{BASE}/settings", ADMINISTRATORS),
    ("POST", f"{BASE}/members", ADMINISTRATORS),
    ("POST", f"{BASE}/members/999/remove", ADMINISTRATORS),
    ("POST", f"{BASE}/archive", ADMINISTRATORS),
    ("POST", f"{BASE}/unarchive", ADMINISTRATORS),
]
JSON = {"Accept": "application/json"}


def expected_refusal(who: str, address: str) -> int:
    if who == "visitor":
        return 401
    return 404 if who == "stranger" and "{slug}" not in address and address.startswith(BASE) else 403


@pytest.mark.parametrize("who", EVERYONE)
def test_every_route_is_open_to_whom_it_should_be_and_to_nobody_else(who: str, sign_in_as: SignInAs, visitor: Browser):
    browser = visitor if who == "visitor" else sign_in_as(who)
    for method, address, allowed in ROUTES:
        answer = browser.request(method, address, headers=JSON)
        if who in allowed:
            passed = answer.status_code in (200, 303, 422) or "/999/" in address
            assert passed, (who, method, address, answer.status_code)
        else:
            assert answer.status_code == expected_refusal(who, address), (who, method, address)


@pytest.mark.parametrize("who", ["stranger", "viewer", "labeller", "reviewer", "engineer"])
def test_a_refused_act_changes_nothing(who: str, sign_in_as: SignInAs, project: Project):
    browser = sign_in_as(who)
    browser.post(f"{BASE}/archive")
    browser.post(f"{BASE}/settings", data={"name": "Mine now"})
    browser.post(f"{BASE}/members", data={"name": "person1", "role": "administrator"})
    with read() as session:
        found = session.get_one(Project, project.id)
    assert (found.name, found.archived_at) == ("Birds of the marsh", None)


def test_a_project_one_is_no_member_of_looks_like_one_that_does_not_exist(sign_in_as: SignInAs):
    stranger = sign_in_as("stranger")
    answers = [stranger.get(f"/projects/{slug}/settings", headers=JSON) for slug in ("birds-of-the-marsh", "no")]
    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(("token_role", "status"), [("viewer", 403), ("engineer", 403), ("administrator", 200)])
def test_a_token_acts_in_its_own_role(
    sign_in_as: SignInAs, visitor: Browser, project: Project, token_role: str, status: int
):
    owner = sign_in_as("administrator")
    token = make_api_token(user_id=owner.user_id, project_id=project.id, role=as_role(token_role))
    bearer = JSON | {"Authorization": f"Bearer {token}"}
    assert visitor.get(f"{BASE}/settings", headers=bearer).status_code == status


def test_a_token_never_acts_above_what_its_owner_has_now(sign_in_as: SignInAs, visitor: Browser, project: Project):
    owner, root = sign_in_as("administrator"), sign_in_as("root")
    token = make_api_token(user_id=owner.user_id, project_id=project.id, role="administrator")
    bearer = JSON | {"Authorization": f"Bearer {token}"}
    root.post(f"{BASE}/members/{owner.user_id}/remove")
    assert visitor.get(f"{BASE}/settings", headers=bearer).status_code == 404


def test_a_token_opens_no_other_project_and_no_account(sign_in_as: SignInAs, visitor: Browser, project: Project):
    root = sign_in_as("root")
    root.post("/projects", data={"name": "Another"})
    token = make_api_token(user_id=root.user_id, project_id=project.id, role="administrator")
    bearer = JSON | {"Authorization": f"Bearer {token}"}
    assert visitor.get("/projects/another/settings", headers=bearer).status_code == 404
    for address in ("/account", "/projects", "/projects/new", "/users"):
        assert visitor.get(address, headers=bearer).status_code == 403
    assert visitor.post("/account/tokens", headers=bearer).status_code == 403


def test_an_archived_project_can_be_read_but_not_changed(sign_in_as: SignInAs):
    administrator = sign_in_as("administrator")
    administrator.post(f"{BASE}/archive")
    assert administrator.get(f"{BASE}/settings").status_code == 200
    refused = administrator.post(f"{BASE}/settings", data={"name": "Other"}, headers=JSON)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "archived")
    assert administrator.post(f"{BASE}/unarchive").status_code == 303
    assert administrator.post(f"{BASE}/settings", data={"name": "Other"}).status_code == 303


def test_roles_are_ordered_and_unknown_ones_allow_nothing():
    for index, role in enumerate(ROLES):
        assert [allows(role, needed) for needed in ROLES] == [place <= index for place in range(len(ROLES))]
        assert up_to(role) == ROLES[: index + 1]
    assert not allows("owner", "viewer")
    assert not allows("administrator", "owner")
    assert lesser("engineer", "viewer") == lesser("viewer", "engineer") == "viewer"
    with pytest.raises(InvalidInput, match="A role is one of"):
        as_role("owner")
