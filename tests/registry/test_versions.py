"""Versions are registered once, numbered without gaps, moved only as the table of states allows."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.registry.lifecycle import TRANSITIONS, change_state
from app.registry.models import Deployment, ModelVersion, Trunk, VersionState, VersionTransition
from app.registry.queries import (
    get_version,
    newest_versions,
    production,
    reference_trunk,
    version_by_number,
    version_classes,
)
from app.registry.schemas import ClassEntry
from app.registry.service import register_version, set_reference_trunk
from app.runs.models import Run
from tests.factories.labelling import project
from tests.factories.registry import deploy, make_classes, snapshot_row, tiny_trunk_row, tiny_version
from tests.factories.runs import any_project, queued_run

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


def arguments(project_id: int, **changes: Any) -> dict[str, Any]:
    run_id = changes.pop("run_id", None) or queued_run(kind="training.train")
    with write() as session:
        (class_id,) = make_classes(session, project_id, ["Apple"])
        given = {
            "project_id": project_id,
            "run_id": run_id,
            "throwaway": False,
            "trunk_id": tiny_trunk_row(session),
            "parent_id": None,
            "snapshot_id": snapshot_row(session, project_id),
            "start": "random",
            "head_file": "x.head.safetensors",
            "head_digest": "ab" * 32,
            "classes": [(class_id, "Apple", 50, False)],
            "lineage": {"added": ["Apple"]},
            "card": {},
        }
    return given | changes


def test_a_run_registers_one_version_however_often_it_asks(project_id: int):
    given = arguments(project_id)
    with write() as session:
        first = register_version(session, **given)
    with write() as session:
        assert register_version(session, **given) == first
        assert session.scalar(select(func.count()).select_from(ModelVersion)) == 1
        assert [entry.name for entry in version_classes(session, first[0])] == ["Apple"]
        assert session.scalars(select(VersionTransition.to_state)).all() == ["candidate"]


def test_numbers_have_no_gaps_even_when_many_register_at_once(project_id: int):
    given = [arguments(project_id) for _ in range(6)]
    numbers: list[int] = []

    def register(values: dict[str, Any]) -> None:
        with write() as session:
            numbers.append(register_version(session, **values)[1])

    threads = [threading.Thread(target=register, args=[values]) for values in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]


def test_a_rolled_back_registration_leaves_no_gap(project_id: int):
    first, second = arguments(project_id), arguments(project_id)

    def register_and_fail() -> None:
        with write() as session:
            register_version(session, **first)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        register_and_fail()
    with write() as session:
        assert register_version(session, **second)[1] == 1


def test_the_same_trunk_is_one_row(project_id: int):
    tiny_version(project_id, ["Apple", "Pear"])
    tiny_version(project_id, ["Apple", "Pear"])
    with read() as session:
        assert session.scalar(select(func.count()).select_from(Trunk)) == 1
        assert [version.number for version in newest_versions(session, project_id)] == [2, 1]
        assert version_by_number(session, project_id, 2).trunk.width == 12


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": []},
        {"head_digest": "../../etc/passwd"},
        {"classes": [ClassEntry(1, "Apple", 1, False), ClassEntry(1, "Apple", 1, False)]},
    ],
)
def test_what_is_no_version_is_refused(project_id: int, changes: dict[str, Any]):
    given = arguments(project_id, **changes)
    with pytest.raises(InvalidInput), write() as session:
        register_version(session, **given)


def test_a_throwaway_version_is_no_parent_by_service_or_by_sql(project_id: int):
    thrown = tiny_version(project_id, ["Apple", "Pear"], throwaway=True)
    normal = tiny_version(project_id, ["Apple", "Pear"])
    given = arguments(project_id, parent_id=thrown.id, start="warm")
    with pytest.raises(Conflict), write() as session:
        register_version(session, **given)
    for values in ({"parent_throwaway": False}, {"parent_throwaway": True}, {"parent_throwaway": None}):
        with pytest.raises(IntegrityError), write() as session:
            session.execute(
                update(ModelVersion).where(ModelVersion.id == normal.id).values(parent_id=thrown.id, **values)
            )


def test_a_throwaway_version_is_never_approved_or_deployed(project_id: int):
    thrown = tiny_version(project_id, ["Apple", "Pear"], throwaway=True)
    with pytest.raises(Conflict), write() as session:
        change_state(session, thrown.id, to_state=VersionState.APPROVED, reason="good", user_id=None)
    with pytest.raises(IntegrityError):
        deploy(project_id, thrown.id)
    with pytest.raises(IntegrityError), write() as session:
        session.execute(update(ModelVersion).where(ModelVersion.id == thrown.id).values(throwaway=False))
    with pytest.raises(IntegrityError), write() as session:
        session.execute(update(Run).where(Run.id == thrown.run_id).values(throwaway=False))
    with read() as session:
        assert session.scalars(select(Deployment.id)).all() == []


@pytest.mark.parametrize("from_state", list(VersionState))
@pytest.mark.parametrize("to_state", list(VersionState))
def test_states_follow_the_table(project_id: int, from_state: VersionState, to_state: VersionState):
    version = tiny_version(project_id, ["Apple", "Pear"])
    with write() as session:
        session.execute(update(ModelVersion).where(ModelVersion.id == version.id).values(state=from_state))
    options = {"reason": "tested", "user_id": None, "override_reason": "the field needs it now"}
    if to_state in TRANSITIONS[from_state]:
        with write() as session:
            change_state(session, version.id, to_state=to_state, **options)
            assert get_version(session, version.id).state == to_state
    else:
        with pytest.raises(Conflict), write() as session:
            change_state(session, version.id, to_state=to_state, **options)


def test_a_rejected_version_needs_the_written_reason_of_an_override(project_id: int):
    version = tiny_version(project_id, ["Apple", "Pear"])
    with write() as session:
        change_state(session, version.id, to_state=VersionState.REJECTED, reason="worse", user_id=None)
    with pytest.raises(Conflict, match="override"), write() as session:
        change_state(session, version.id, to_state=VersionState.APPROVED, reason="please", user_id=None)
    with write() as session:
        change_state(
            session,
            version.id,
            to_state=VersionState.APPROVED,
            reason="promoted",
            user_id=None,
            override_reason="needed in the field",
        )
        reasons = session.scalars(select(VersionTransition.reason).order_by(VersionTransition.id)).all()
        assert reasons[1:] == ["worse", "needed in the field"]


def test_the_first_pretrained_trunk_becomes_the_reference_and_stays_until_changed_by_hand(project_id: int):
    tiny_version(project_id, ["Apple", "Pear"], start="random")
    with read() as session:
        assert reference_trunk(session, project_id) is None
    first = tiny_version(project_id, ["Apple", "Pear"], start="pretrained")
    with read() as session:
        found = reference_trunk(session, project_id)
        assert found is not None
        assert found.id == first.trunk_id
    with write() as session:
        set_reference_trunk(session, project_id=project_id, trunk_id=first.trunk_id)
        with pytest.raises(NotFound):
            set_reference_trunk(session, project_id=project_id, trunk_id=first.trunk_id + 100)


def test_versions_of_another_project_are_not_found(project_id: int):
    version = tiny_version(project_id, ["Apple", "Pear"])
    with write() as session:
        other = project(session, "Other")
        with pytest.raises(NotFound):
            get_version(session, version.id, other)
        with pytest.raises(NotFound):
            version_by_number(session, other, version.number)
        assert production(session, project_id) is None
    deploy(project_id, version.id, upper=0.9, lower=0.3)
    with read() as session:
        serving = production(session, project_id)
        assert serving is not None
        assert (serving.version_id, serving.number, serving.upper, serving.lower) == (version.id, 1, 0.9, 0.3)
        assert production(session, other) is None
