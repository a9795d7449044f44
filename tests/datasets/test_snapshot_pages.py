"""Pages and API of snapshots: the list, one with its images, two side by side, what has leaked."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from app.cli.main import app as command
from app.core.database import write
from app.datasets.service import freeze
from app.labelling.class_merge import train_as
from app.labelling.models import LabelClass
from app.library.models import Image
from app.projects.models import Project
from tests.factories.accounts import make_user
from tests.factories.datasets import make_capture_group, make_class, make_images, make_project
from tests.web_client import SignInAs


@pytest.fixture
def here(project: Project) -> str:
    """Two snapshots: between them three apples became pears, a class was renamed and one merged, one image leaked."""
    with write() as session:
        apple, pear, fig, date = (make_class(session, project.id, name) for name in ("Apple", "<b>Pear", "Fig", "Date"))
        apples = make_images(session, project.id, 40, apple)
        for class_id in (pear, fig, date):
            make_images(session, project.id, 30, class_id)
        freeze(session, project_id=project.id, lower=5, upper=100)
        session.execute(update(Image).where(Image.id.in_(apples[:3])).values(class_id=pear))
        session.execute(update(Image).where(Image.id == apples[3]).values(state="removed", class_id=None))
        session.execute(update(LabelClass).where(LabelClass.id == apple).values(name="Cox"))
        own = select(Image.id).where(Image.class_id == date)
        sides = [session.scalars(own.where(Image.split == split)).first() for split in ("train", "test")]
        group = make_capture_group(session, project.id)
        session.execute(update(Image).where(Image.id.in_(sides)).values(capture_group_id=group))
        who = make_user(session).id
        train_as(session, project_id=project.id, class_id=fig, as_id=date, user_id=who)
        make_images(session, project.id, 2, pear)
        freeze(session, project_id=project.id, lower=5, upper=100)
    return f"/projects/{project.slug}"


def test_two_snapshots_say_what_came_went_and_changed(sign_in_as: SignInAs, here: str):
    browser = sign_in_as("viewer")
    told = browser.get(f"/api/v1{here}/datasets/compare?earlier=1&later=2").json()
    assert told["counts"] == {"came": 2, "went": 2, "class": 33, "sub_class": 0, "turned": 0}
    changed = {each["name"]: each for each in told["classes"]}
    assert changed["Cox"]["notes"] == ["was named Apple"]
    assert (changed["Cox"]["moved_out"], changed["<b>Pear"]["moved_in"], changed["Cox"]["went"]) == (3, 3, 1)
    assert "trained together with Fig" in changed["Date"]["notes"]
    assert {(each["from_name"], each["to_name"], each["images"]) for each in told["moves"]} == {
        ("Fig", "Date", 30),
        ("Cox", "<b>Pear", 3),
    }
    page = browser.get(f"{here}/datasets/compare?earlier=1&later=2&change=class&class_id=2").text
    assert page.count('class="cell"') == 3
    assert "&lt;b&gt;Pear" in page
    assert "<b>Pear" not in page
    back = browser.get(f"{here}/datasets/compare?earlier=2&later=1&change=went").text
    assert back.count('class="cell"') == 2
    assert browser.get(f"{here}/datasets/compare?earlier=1&later=9").status_code == 404


def test_a_snapshots_images_say_their_split_and_why(sign_in_as: SignInAs, here: str):
    browser = sign_in_as("viewer")
    page = browser.get(f"{here}/datasets/2").text
    assert "Fig trained as Date" in page
    assert "every usable image of the class" in page
    images = browser.get(f"{here}/datasets/2/images?class_id=2&split=test").text
    assert images.count('class="cell"') == images.count(">test</span>") > 0
    assert browser.get(f"{here}/library?snapshot_id=2&split=test").status_code == 200
    assert "Snapshot 1" in browser.get(f"{here}/datasets/snapshots?sort=images&down=false").text
    assert browser.get(f"{here}/training/of-snapshot/2").text.strip().endswith("No run trains on it yet.</p>")


def test_what_has_leaked_is_listed_with_the_image_that_stays(sign_in_as: SignInAs, here: str):
    page = sign_in_as("viewer").get(f"{here}/datasets/leaked").text
    assert page.count('class="cell"') == 1
    assert "was test" in page
    assert "of its group is in train" in page


def test_the_api_plans_freezes_and_lists(sign_in_as: SignInAs, here: str):
    api = f"/api/v1{here}/datasets"
    viewer, engineer = sign_in_as("viewer"), sign_in_as("engineer")
    plan = viewer.get(f"{api}/plan?lower=36&upper=50").json()
    assert {each["name"]: each["needs"] for each in plan["classes"]} == {"Cox": 0, "<b>Pear": 1, "Date": 0}
    assert plan["undrawn"] == 0
    assert viewer.post(f"{api}/snapshots", json={"lower": 36, "upper": 50}).status_code == 403
    made = engineer.post(f"{api}/snapshots", json={"lower": 36, "upper": 50})
    assert made.status_code == 201
    assert made.json()["content"]["taken"] == plan["taken"]
    assert [each["id"] for each in viewer.get(f"{api}/snapshots").json()] == [3, 2, 1]
    assert viewer.get(f"{api}/snapshots/3").json() == made.json()
    assert viewer.get(f"{api}/plan?lower=9&upper=3").status_code == 422


def test_another_projects_snapshot_is_not_found(sign_in_as: SignInAs, here: str):
    with write() as session:
        other = make_project(session)
        make_images(session, other, 9, make_class(session, other))
        foreign = freeze(session, project_id=other, lower=5, upper=100).id
    browser = sign_in_as("engineer")
    for path in (f"{foreign}", f"{foreign}/images", f"compare?earlier=1&later={foreign}"):
        assert browser.get(f"{here}/datasets/{path}").status_code == 404
    assert browser.get(f"{here}/exports?snapshot={foreign}").status_code == 404


def test_the_command_says_what_a_snapshot_would_hold_and_freezes_it(here: str):
    slug = here.rsplit("/", 1)[1]
    asked = ["snapshot", "--project", slug, "--lower", "36", "--upper", "50", "--json"]
    looked = json.loads(CliRunner().invoke(command, [*asked, "--dry-run"]).stdout)
    frozen = json.loads(CliRunner().invoke(command, asked).stdout)
    assert (looked["snapshot"], frozen["snapshot"]) == (None, 3)
    assert looked["short"] == frozen["short"] == {"<b>Pear": 1}
    assert CliRunner().invoke(command, [*asked, "--view", "of nothing"]).exit_code != 0
