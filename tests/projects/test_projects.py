"""Making projects, their settings, members and end."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.accounts.models import AuditEntry
from app.accounts.service import get_user
from app.cli.output import project_id_of
from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput
from app.labelling.models import LabelClass
from app.projects import queries, service
from app.projects.models import Member, Project
from app.projects.schemas import CHARTER, Charter
from tests.factories.accounts import make_user
from tests.factories.projects import add_member, make_project
from tests.web_client import SignInAs

HOSTILE = '"><script>alert(1)</script>'
BASE = "/projects/birds-of-the-marsh"


def class_names() -> list[str]:
    with read() as session:
        return list(session.scalars(select(LabelClass.name).order_by(LabelClass.id)))


def test_the_first_project_is_made_with_its_classes_and_charter_in_one_step(sign_in_as: SignInAs):
    root = sign_in_as("root")
    sent = {"name": "Apples", "classes": "Gala, Jazz\nFuji\n\nGala", "charter_use": "Sorting fruit"}
    answer = root.post("/projects", data=sent)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/projects/apples")
    assert class_names() == ["Gala", "Jazz", "Fuji"]
    with read() as session:
        project = queries.get_project(session, "apples")
        assert project.charter_use == "Sorting fruit"
        assert session.scalars(select(Member.role)).all() == ["administrator"]
        assert "project.created" in session.scalars(select(AuditEntry.action)).all()


@pytest.mark.parametrize(
    "fields",
    [{"name": ""}, {"name": " \u200b\u202e"}, {"name": "x" * 81}, {"name": "x", "classes": "y" * 121}],
)
def test_a_form_that_breaks_a_rule_comes_back_with_what_was_typed(sign_in_as: SignInAs, fields: dict[str, str]):
    root = sign_in_as("root")
    answer = root.post("/projects", data={"charter_use": "kept words"} | fields)
    assert answer.status_code == 422
    assert "kept words" in answer.text
    assert class_names() == []
    with read() as session:
        assert session.scalars(select(Project.name)).all() == ["Birds of the marsh"]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Birds of the marsh!", "birds-of-the-marsh"),
        ("Äpfel & Öl", "apfel-ol"),
        ("../../etc/passwd", "etc-passwd"),
        ("鳥", "project"),
        (HOSTILE, "script-alert-1-script"),
        ("x" * 80, "x" * 48),
        ("--", "project"),
    ],
)
def test_an_address_is_made_of_safe_signs_alone(name: str, slug: str):
    assert service.slug_from(name) == slug


@pytest.mark.usefixtures("installation")
def test_addresses_are_unique_and_never_those_of_pages():
    with write() as session:
        slugs = [make_project(session, name).slug for name in ("New", "A b", "a-b", "a b", "a", "A_b")]
    assert slugs == ["new-2", "a-b", "a-b-2", "a-b-3", "a", "a-b-4"]


def test_class_names_come_by_line_or_comma_each_once():
    assert service.split_class_names(" a, b\r\nc,,a\n ") == ["a", "b", "c"]
    assert service.split_class_names("") == []
    with pytest.raises(InvalidInput, match="At most 5,000 classes"):
        service.split_class_names("\n".join(map(str, range(5001))))


@pytest.mark.usefixtures("installation")
def test_a_project_needs_a_name_also_by_command():
    with write() as session, pytest.raises(InvalidInput, match="needs at least one visible character"):
        service.create_project(session, name=" ")


def test_the_charter_asks_five_questions_each_of_which_may_wait():
    assert [question.field for question in CHARTER] == list(Charter.model_fields)
    assert len(CHARTER) == 5
    assert Charter() == Charter.model_validate({})


def test_the_list_shows_ones_own_projects_with_the_role(sign_in_as: SignInAs):
    with write() as session:
        make_project(session, "Hidden away")
    page = sign_in_as("reviewer").get("/projects").text
    assert "Birds of the marsh" in page
    assert "reviewer" in page
    assert "Hidden away" not in page
    assert "Hidden away" in sign_in_as("root").get("/projects").text


def test_an_empty_list_says_what_to_do(sign_in_as: SignInAs):
    assert "You are in no project yet" in sign_in_as("stranger").get("/projects").text


def test_settings_are_saved_and_written_to_the_audit(sign_in_as: SignInAs):
    administrator = sign_in_as("administrator")
    sent = {"name": "Marsh birds", "lower_cutoff": "10", "upper_cutoff": "50", "keep_served_images": "uncertain"}
    assert administrator.post(f"{BASE}/settings", data=sent | {"charter_hardware": "A phone"}).status_code == 303
    with read() as session:
        project = queries.get_project(session, "birds-of-the-marsh")
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "project.settings")).one()
    assert (project.name, project.lower_cutoff, project.upper_cutoff) == ("Marsh birds", 10, 50)
    assert (project.keep_served_images, project.charter_hardware) == ("uncertain", "A phone")
    assert entry.detail == sent | {"lower_cutoff": 10, "upper_cutoff": 50, "charter_hardware": "A phone"}
    page = administrator.get(f"{BASE}/settings").text
    assert "A phone" in page
    assert "The settings are saved." in page


@pytest.mark.parametrize(
    "fields",
    [
        {"lower_cutoff": "60", "upper_cutoff": "50"},
        {"lower_cutoff": "0"},
        {"keep_served_images": "some"},
        {"name": ""},
    ],
)
def test_settings_that_break_a_rule_change_nothing(sign_in_as: SignInAs, fields: dict[str, str]):
    answer = sign_in_as("administrator").post(f"{BASE}/settings", data={"name": "Other"} | fields)
    assert answer.status_code == 422
    assert "notice-error" in answer.text
    with read() as session:
        project = queries.get_project(session, "birds-of-the-marsh")
    assert (project.name, project.lower_cutoff, project.keep_served_images) == ("Birds of the marsh", 40, "all")


def test_members_are_added_changed_and_removed(sign_in_as: SignInAs, project: Project):
    administrator = sign_in_as("administrator")
    with write() as session:
        grace = make_user(session, "grace").id
    for role in ("labeller", "engineer"):
        assert administrator.post(f"{BASE}/members", data={"name": "grace", "role": role}).status_code == 303
        with read() as session:
            role_now = queries.role_in(session, project_id=project.id, user_id=grace, is_administrator=False)
        assert role_now == role
    assert administrator.post(f"{BASE}/members/{grace}/remove").status_code == 303
    assert administrator.post(f"{BASE}/members/{grace}/remove").status_code == 404
    with read() as session:
        assert queries.role_in(session, project_id=project.id, user_id=grace, is_administrator=False) is None
        actions = list(session.scalars(select(AuditEntry.action).where(AuditEntry.subject == "grace")))
    assert actions == ["member.set", "member.set", "member.removed"]


@pytest.mark.parametrize(("name", "role", "status"), [("nobody", "viewer", 404), ("grace", "owner", 422)])
def test_an_unknown_person_or_role_is_said(sign_in_as: SignInAs, name: str, role: str, status: int):
    with write() as session:
        make_user(session, "grace")
    answer = sign_in_as("administrator").post(f"{BASE}/members", data={"name": name, "role": role})
    assert answer.status_code == status
    with read() as session:
        assert session.scalars(select(Member)).all()[1:] == []


def test_archived_projects_leave_the_menu_and_come_last(sign_in_as: SignInAs, project: Project):
    root = sign_in_as("root")
    with write() as session:
        make_project(session, "Zebras")
        service.archive(session, project_id=project.id, user_id=root.user_id)
    page = root.get("/projects").text
    assert page.index("Zebras") < page.index('id="archived"') < page.index("Birds of the marsh")
    with pytest.raises(Conflict, match="read-only"):
        project_id_of(project.slug)
    root.post(f"{BASE}/unarchive")
    assert 'id="archived"' not in root.get("/projects").text
    assert project_id_of(project.slug) == project.id


def test_hostile_words_are_text_on_every_page(sign_in_as: SignInAs):
    root = sign_in_as("root")
    root.post("/projects", data={"name": HOSTILE, "classes": HOSTILE, "charter_use": HOSTILE})
    with read() as session:
        slug = service.slug_from(HOSTILE)
        project_id = queries.get_project(session, slug).id
    with write() as session:
        add_member(session, project_id=project_id, user_id=make_user(session).id, role="viewer")
        assert get_user(session, root.user_id)
    root.post("/account/tokens", data={"name": HOSTILE, "project": slug, "role": "viewer", "days": ""})
    for address in ("/projects", f"/projects/{slug}/settings", "/account", "/users"):
        page = root.get(address)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
    refused = root.post("/projects", data={"name": "", "classes": HOSTILE, "charter_use": HOSTILE})
    assert "<script>alert" not in refused.text
