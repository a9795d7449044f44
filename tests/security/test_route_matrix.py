"""Every route, every role: who is below the declared role gets nothing and changes nothing, who has it is let in."""

from __future__ import annotations

import string
from pathlib import Path

import httpx2
import pytest
from fastapi.routing import RouteContext, iter_route_contexts

from app.accounts.roles import ROLES, allows
from app.assembly.routers import ROUTERS
from app.core.database import write
from app.labelling.schemas import Act, LabelRequest
from app.labelling.service import act_on
from app.library.curation_models import CurationDecision
from app.projects.models import Project
from app.serving.service import grade
from app.web.dependencies import rule_of
from tests.factories.accounts import make_user
from tests.factories.projects import add_member
from tests.security.rules import DECLARED, Sent, acceptable
from tests.security.snapshots import contents, row_counts
from tests.security.world import World, build
from tests.web_client import Browser, SignInAs, make_api_token

ROUTES = [route for router in ROUTERS for route in iter_route_contexts(router.routes)]
KINDS = {"administrator": "root"}
JSON = {"Accept": "application/json"}


def name_of(route: RouteContext) -> str:
    (method,) = route.methods or ()
    return f"{method} {route.path}"


def declared(route: RouteContext) -> str:
    (rule,) = (found for each in route.dependant.dependencies if (found := rule_of(each.call)))
    return rule.role or KINDS.get(rule.kind, rule.kind)


def test_the_router_says_what_the_table_of_rights_says():
    assert {name_of(route): declared(route) for route in ROUTES} == DECLARED


@pytest.fixture
def world(application: object) -> World:  # noqa: ARG001 - its installation must exist first
    """The project whose routes are tried."""
    made = build("The marsh")
    with write() as session:
        made.ids["outsider"] = make_user(session).name
    return made


def ask(browser: Browser, name: str, address: str, sent: Sent) -> httpx2.Response:
    method, _, _ = name.partition(" ")
    return browser.request(method, address, headers=JSON, **sent.options())


def refused_to(who: str, name: str) -> bool:
    """Whether a role may not call a route. Public routes and one's own account are tried elsewhere."""
    needed = DECLARED[name]
    if needed in ("public", "signed_in"):
        return needed == "signed_in" and who == "nobody"
    if who in ("nobody", "stranger"):
        return True
    return needed == "root" or not allows(who, needed)


def member(sign_in_as: SignInAs, world: World, role: str) -> Browser:
    """Somebody with this role in the world's project."""
    browser = sign_in_as("stranger")
    with write() as session:
        add_member(session, project_id=world.project_id, user_id=browser.user_id, role=role)
    return browser


def test_below_the_declared_role_nothing_is_told_and_nothing_changes(
    installation: Path, world: World, sign_in_as: SignInAs, visitor: Browser
):
    sent = acceptable(world)
    people = {"nobody": visitor, "stranger": sign_in_as("stranger")}
    people |= {role: member(sign_in_as, world, role) for role in ROLES}
    before, counts = contents(installation), row_counts()
    faults = []
    tried = 0
    for who, browser in people.items():
        for name in filter(lambda name: refused_to(who, name), DECLARED):
            given = sent.get(name, Sent())
            answer = ask(browser, name, world.address(name.partition(" ")[2], **given.ids), given)
            expected = {"nobody": (401,), "stranger": (404, 403)}.get(who, (403,))
            if answer.status_code not in expected or row_counts() != counts:
                faults.append((who, name, answer.status_code))
            tried += 1
    assert faults == []
    assert tried > 3 * len(DECLARED)
    assert contents(installation) == before


def test_a_page_that_one_may_not_see_is_no_success_for_a_browser_either(
    world: World, sign_in_as: SignInAs, visitor: Browser
):
    labeller = member(sign_in_as, world, "labeller")
    for name in (name for name, role in DECLARED.items() if name.startswith("GET ") and role == "engineer"):
        address = world.address(name.removeprefix("GET "))
        assert labeller.get(address).status_code == 403
        answer = visitor.get(address)
        if address.startswith("/api/"):
            assert answer.status_code == 401
        else:
            assert answer.headers["Location"].startswith("/sign-in?next=%2F" if "?" in address else "/sign-in")


def test_the_declared_role_is_enough(world: World, sign_in_as: SignInAs, visitor: Browser):
    """So that the refusals above are owed to the role alone, not to a request that nobody could have made."""
    people = {role: member(sign_in_as, world, role) for role in ROLES}
    _act_before(world, labeller_id=people["labeller"].user_id, reviewer_id=people["reviewer"].user_id)
    sent = acceptable(world)
    of_project = [name for name, role in DECLARED.items() if role in ROLES]
    plain = [name for name in of_project if name not in sent]
    faults = []
    for name in [*sorted(plain), *sent]:
        browser = people[DECLARED[name]]
        if "{slug}" not in name:
            token = make_api_token(user_id=browser.user_id, project_id=world.project_id)
            visitor.headers["Authorization"] = f"Bearer {token}"
            browser = visitor
        given = sent.get(name, Sent())
        answer = ask(browser, name, world.address(name.partition(" ")[2], **given.ids), given)
        if answer.status_code not in given.ends:
            faults.append((name, answer.status_code, answer.text[:200]))
    assert faults == []


def _act_before(world: World, *, labeller_id: int, reviewer_id: int) -> None:
    """An act and a grade that these two may take back, since they are their own."""
    project_id = world.project_id
    with write() as session:
        request = LabelRequest(image_ids=world.images[4:5], act=Act.ROTATE)
        done = act_on(session, request, project_id=project_id, user_id=labeller_id, may_remove_many=False)
        world.ids["own_action_id"] = done.action_id
        session.get_one(CurationDecision, world.ids["subjects_id"]).user_id = labeller_id
        world.ids["own_user_id"] = labeller_id
        spare = str(world.ids["spare_transaction_id"])
        world.ids["own_grade_id"] = grade(
            session, project_id=project_id, transaction_id=spare, user_id=reviewer_id, verdict="not_usable"
        )


def test_every_parameter_of_a_path_is_known_here(world: World):
    """A new kind of id must be tried across projects as well."""
    used = {field for name in DECLARED for _, field, _, _ in string.Formatter().parse(name) if field}
    assert used - {"slug"} <= world.ids.keys()


def test_an_archived_project_takes_no_act_below_its_administrator(
    installation: Path, world: World, sign_in_as: SignInAs
):
    administrator = member(sign_in_as, world, "administrator")
    administrator.post(f"/projects/{world.slug}/archive")
    sent = acceptable(world)
    before = contents(installation)
    for name, role in DECLARED.items():
        if name.startswith("POST ") and role in ROLES and "{slug}" in name and not name.endswith("/unarchive"):
            given = sent.get(name, Sent())
            address = world.address(name.partition(" ")[2], **given.ids)
            assert ask(administrator, name, address, given).status_code == 409, name
    assert contents(installation) == before
    with write() as session:
        assert session.get_one(Project, world.project_id).archived_at is not None
