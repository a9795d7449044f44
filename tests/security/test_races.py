"""Many at once: of acts that exclude each other one wins, the others are told, and what is kept fits together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update

from app.accounts import passwords, service, sessions
from app.accounts.models import SignInFailure, User, UserSession
from app.core.database import read, write
from app.core.errors import NotFound, NotSignedIn, TooMany
from app.evaluation.models import Evaluation
from app.labelling.models import LabelAction, LabelClass, LabelEvent
from app.library.counts import kept_counts, recount
from app.library.models import Image
from app.registry.models import Deployment
from app.serving.models import Grade
from tests.factories.accounts import make_user
from tests.factories.projects import add_member
from tests.security.world import World, build
from tests.web_client import Browser, SignInAs

AT_ONCE = 6


@pytest.fixture
def world(application: object) -> World:  # noqa: ARG001 - its installation must exist first
    """The project in which all of it happens."""
    return build("The marsh")


@pytest.fixture
def people(world: World, sign_in_as: SignInAs) -> list[Browser]:
    """Administrators, each in a browser of their own."""
    browsers = [sign_in_as("stranger") for _ in range(AT_ONCE)]
    with write() as session:
        for browser in browsers:
            add_member(session, project_id=world.project_id, user_id=browser.user_id, role="administrator")
    return browsers


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the acts gave, all begun at the same moment."""
    start = Barrier(len(acts))

    def begin(act: Callable[[], Any]) -> Any:
        start.wait(30)
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(begin, acts))


def posts(browsers: Sequence[Browser], address: str, **options: Any) -> list[httpx2.Response]:
    """The same request from each browser at once."""
    headers = {"Accept": "application/json"}
    return at_once([lambda one=one: one.post(address, headers=headers, **options) for one in browsers])


def statuses(answers: Sequence[httpx2.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def count(table: Any, *where: Any) -> int:
    with read() as session:
        return session.scalar(select(func.count()).select_from(table).where(*where)) or 0


def test_of_many_labels_for_what_all_saw_one_holds(world: World, people: list[Browser]):
    address, image_id = f"/projects/{world.slug}/labels", world.images[6]
    acts = [
        lambda one=one, class_id=class_id: one.post(
            address,
            json={"image_ids": [image_id], "act": "label", "class_id": class_id, "versions": {str(image_id): 0}},
        ).json()
        for one, class_id in zip(people, world.class_ids * 2, strict=True)
    ]
    results = at_once(acts)
    assert sorted(result["changed"] for result in results) == [0] * (AT_ONCE - 1) + [1]
    assert all(result["skipped"][0]["why"] == "changed meanwhile" for result in results if not result["changed"])
    assert count(LabelEvent, LabelEvent.image_id == image_id) == 1
    with read() as session:
        assert kept_counts(session, world.project_id) == recount(session, world.project_id)


def test_one_request_key_is_one_act_however_often_it_is_sent(world: World, people: list[Browser]):
    sent = {"image_ids": world.images[5:8], "act": "rotate", "request_key": "the-same-request"}
    answers = posts([people[0]] * AT_ONCE, f"/projects/{world.slug}/labels", json=sent)
    assert statuses(answers) == {200: AT_ONCE}
    assert len({answer.json()["action_id"] for answer in answers}) == 1
    with read() as session:
        assert set(session.scalars(select(Image.rotation).where(Image.id.in_(sent["image_ids"])))) == {90}


def test_an_act_is_undone_once(world: World, people: list[Browser]):
    answers = posts(people, world.address("/projects/{slug}/actions/{action_id}/undo"))
    assert statuses(answers) == {200: 1, 409: AT_ONCE - 1}
    assert count(LabelAction, LabelAction.undoes_action_id == world.ids["action_id"]) == 1
    with read() as session:
        states = session.scalars(select(Image.state).where(Image.id.in_(world.images[:3])))
        assert set(states) == {"pool"}
        assert kept_counts(session, world.project_id) == recount(session, world.project_id)


def test_labelling_while_another_undoes_leaves_the_last_event_in_force(world: World, people: list[Browser]):
    label = {"image_ids": world.images[:3], "act": "label", "class_id": world.class_ids[2]}
    undo = world.address("/projects/{slug}/actions/{action_id}/undo")
    relabel = [lambda one=one: one.post(f"/projects/{world.slug}/labels", json=label) for one in people[1:]]
    at_once([lambda: people[0].post(undo), *relabel])
    with read() as session:
        for image_id in world.images[:3]:
            image = session.get_one(Image, image_id)
            last = session.get_one(LabelEvent, image.last_event_id)
            events = select(func.max(LabelEvent.id)).where(LabelEvent.image_id == image_id)
            assert session.scalar(events) == last.id
            assert (image.state, image.class_id) == (last.to_state, last.to_class_id)
        assert kept_counts(session, world.project_id) == recount(session, world.project_id)


def test_production_moves_once_for_all_who_saw_the_same(world: World, people: list[Browser]):
    with write() as session:
        session.execute(update(Evaluation).values(exposed=0))
    move = {"reason": "better", "override_reason": "the gate cannot be proven yet"}
    move |= {"expected_deployment_id": world.ids["deployment_id"]}
    answers = posts(people, world.address("/api/v1/projects/{slug}/models/{number}/promote"), json=move)
    assert statuses(answers) == {200: 1, 409: AT_ONCE - 1}
    deployment_id = next(answer.json()["deployment_id"] for answer in answers if answer.status_code == 200)
    back = {"reason": "worse", "expected_deployment_id": deployment_id}
    answers = posts(people, f"/api/v1/projects/{world.slug}/rollback", json=back)
    assert statuses(answers) == {200: 1, 409: AT_ONCE - 1}
    assert count(Deployment, Deployment.project_id == world.project_id) == 3
    assert count(Deployment, Deployment.project_id == world.project_id, Deployment.is_active) == 1


def test_an_answer_is_graded_once(world: World, people: list[Browser]):
    sent = {"transaction_id": world.ids["transaction_id"], "verdict": "correct"}
    assert statuses(posts(people, f"/projects/{world.slug}/grades", json=sent)) == {200: 1, 409: AT_ONCE - 1}
    assert count(Grade, Grade.transaction_id == world.ids["transaction_id"]) == 1


def test_a_class_of_one_name_is_made_once(world: World, people: list[Browser]):
    answers = posts(people, f"/projects/{world.slug}/classes", data={"name": "Wren"})
    assert statuses(answers) == {201: 1, 409: AT_ONCE - 1}


def test_no_image_is_left_in_a_class_that_is_merged_away(world: World, people: list[Browser]):
    first, second, _ = world.class_ids
    base = f"/projects/{world.slug}"
    label = {"act": "label", "class_id": first}
    acts: list[Callable[[], Any]] = [
        lambda one=one, image_id=image_id: one.post(f"{base}/labels", json={**label, "image_ids": [image_id]})
        for one, image_id in zip(people[1:], world.images[3:], strict=False)
    ]
    answers = at_once([*acts, lambda: people[0].post(f"{base}/classes/{first}/merge", data={"target_id": second})])
    assert {answer.status_code for answer in answers} <= {200, 303, 409}
    with read() as session:
        gone = select(LabelClass.id).where(LabelClass.archived_at.is_not(None))
        assert session.scalars(select(Image.id).where(Image.class_id.in_(gone))).all() == []
        assert kept_counts(session, world.project_id) == recount(session, world.project_id)


def test_a_benchmark_set_of_one_name_is_made_once(world: World, people: list[Browser]):
    sent = {"name": "Shelf", "image_ids": [world.ids["labelled_id"]]}
    assert statuses(posts(people, f"/projects/{world.slug}/benchmarks", json=sent)) == {200: 1, 409: AT_ONCE - 1}


def test_users_of_one_name_are_made_once(sign_in_as: SignInAs):
    people = [sign_in_as("root") for _ in range(3)]
    assert statuses(posts(people, "/users", data={"name": "ann"})) == {200: 1, 409: 2}


def test_the_last_two_administrators_cannot_shut_each_other_out(sign_in_as: SignInAs):
    ann, ben = sign_in_as("root"), sign_in_as("root")
    acts = [
        lambda: ann.post(f"/users/{ben.user_id}/deactivate"),
        lambda: ben.post(f"/users/{ann.user_id}/deactivate"),
    ]
    at_once(acts)
    assert count(User, User.is_administrator, User.is_active) >= 1


def test_two_classes_merged_into_each_other_do_not_both_go(world: World, people: list[Browser]):
    first, second, _ = world.class_ids
    base = f"/projects/{world.slug}/classes"
    acts = [
        lambda: people[0].post(f"{base}/{first}/merge", data={"target_id": second}).status_code,
        lambda: people[1].post(f"{base}/{second}/merge", data={"target_id": first}).status_code,
    ]
    assert sorted(at_once(acts)) == [303, 409]
    with read() as session:
        assert kept_counts(session, world.project_id) == recount(session, world.project_id)


@pytest.mark.usefixtures("installation")
def test_the_set_up_link_makes_one_administrator():
    with write() as session:
        token = service.make_setup_link(session).rpartition("/")[2]

    def set_up(name: str) -> bool:
        try:
            service.set_up(token=token, name=name, password="three brown foxes")
        except NotFound:
            return False
        return True

    made = at_once([lambda name=name: set_up(name) for name in ("ann", "ben", "cid", "dot")])
    assert sorted(made) == [False, False, False, True]
    assert count(User) == count(UserSession) == 1


@pytest.mark.usefixtures("installation")
def test_guessing_many_at_once_gives_no_guess_more():
    with write() as session:
        make_user(session, "ada", password_hash=passwords.hash_password("three brown foxes"))
    guesses = ["wrong"] * 7 + ["three brown foxes"]

    def guess(password: str) -> str:
        try:
            return sessions.sign_in(name="ada", password=password)
        except (NotSignedIn, TooMany) as refusal:
            return type(refusal).__name__

    given = at_once([lambda password=password: guess(password) for password in guesses])
    with read() as session:
        failures = session.scalar(select(SignInFailure.failures)) or 0
    assert count(UserSession) == len(set(given) - {"NotSignedIn", "TooMany"})
    assert count(UserSession) == 1 or failures >= sessions.FREE_FAILURES
