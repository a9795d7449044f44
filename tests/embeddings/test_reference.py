"""The reference trunk changes when the library is embedded by the other one, and old embeddings go by policy."""

from __future__ import annotations

import hashlib
from functools import partial
from types import MethodType
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.accounts.models import AuditEntry
from app.core.database import read, write
from app.core.settings import get_settings
from app.embeddings.keeping import KIND, clean_embeddings, droppable, request_due_cleanings
from app.embeddings.models import Embedding
from app.embeddings.reference import change_reference
from app.embeddings.work import embed_missing
from app.projects.models import Project
from app.registry.artifacts import load_trunk
from app.registry.models import ModelVersion, ReferenceTrunk, Trunk
from app.registry.service import register_trunk
from app.registry.speeds import Measured, record_speed
from app.runs.models import Run, RunState
from app.runs.service import request_run
from tests.factories.predictions import photo_images, run_now
from tests.factories.projects import make_project
from tests.factories.registry import deploy, tiny_version
from tests.factories.runs import reread
from tests.web_client import SignInAs
from worker.execution import RunContext, execute_run


def make_other_project() -> int:
    with write() as session:
        return make_project(session, "Elsewhere").id


def trunk_like(trunk_id: int, mark: str, architecture: str = "compact_cnn") -> int:
    """Another trunk, of the same exported network, under a digest of its own."""
    with write() as session:
        trunk = session.get_one(Trunk, trunk_id)
        same = (
            "input_size",
            "width",
            "preprocessing",
            "weights_file",
            "exported_file",
            "exported_digest",
            "byte_count",
        )
        facts: dict[str, Any] = {name: getattr(trunk, name) for name in [*same, "byte_count"]}
        digest = hashlib.sha256(mark.encode()).hexdigest()
        return register_trunk(session, digest=digest, architecture=architecture, **facts)


def version_on(project_id: int, mark: str) -> tuple[int, int]:
    """A version on a trunk of its own, by which the whole library is embedded; (version, trunk)."""
    version = tiny_version(project_id, ["Apple", "Pear"])
    trunk_id = trunk_like(version.trunk_id, mark)
    with write() as session:
        session.execute(update(ModelVersion).where(ModelVersion.id == version.id).values(trunk_id=trunk_id))
    return version.id, trunk_id


def reference_of(project_id: int) -> int | None:
    with read() as session:
        return session.scalar(select(ReferenceTrunk.trunk_id).where(ReferenceTrunk.project_id == project_id))


def embedded_by(trunk_id: int) -> int:
    with read() as session:
        return session.scalar(select(func.count()).where(Embedding.trunk_id == trunk_id)) or 0


def test_a_change_says_what_it_costs_embeds_first_and_is_on_record(sign_in_as: SignInAs, project: Project):
    ids = photo_images(project.id, 5)
    first = tiny_version(project.id, ["Apple", "Pear"]).trunk_id
    _, second = version_on(project.id, "second")
    embed_missing(load_trunk(first), ids)
    embed_missing(load_trunk(second), ids[:2])
    with write() as session:
        measured = Measured(device="CPU:0", threads=2, train_images_per_s=1, infer_images_per_s=0.05)
        record_speed(session, "compact_cnn", load_trunk(second).ref.input_size, measured)
    engineer, address = sign_in_as("engineer"), f"/projects/{project.slug}/trunks/reference"
    page = sign_in_as("viewer").get(address).text
    assert "3 images to embed, about 1 min" in page
    assert sign_in_as("labeller").post(address, data={"choice": f"trunk:{second}"}).status_code == 403
    assert engineer.post(address, data={"choice": f"trunk:{second}"}).status_code == 303
    assert engineer.post(address, data={"choice": f"trunk:{second}"}).status_code == 409
    with read() as session:
        run = session.scalars(select(Run).where(Run.kind == "embeddings.reference")).one()
    assert reference_of(project.id) == first, "the present one stays until the library is embedded"
    execute_run(run.id, partial(change_reference, prepare=lambda *_: 0))
    assert reread(run.id).result == {"trunk_id": second, "computed": 3, "unreadable": 0, "changed": True}
    assert (reference_of(project.id), embedded_by(first), embedded_by(second)) == (second, 5, 5)
    with read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "reference_trunk.set")).one()
        kinds = set(session.scalars(select(Run.kind).where(Run.state == RunState.QUEUED)))
    assert (entry.project_id, entry.detail["from"], entry.detail["trunk_id"]) == (project.id, first, second)
    assert kinds == {"embeddings.embed"}


def test_a_stopped_change_keeps_the_present_trunk_and_what_was_embedded(project: Project):
    photo_images(project.id, 5)
    first = tiny_version(project.id, ["Apple", "Pear"]).trunk_id
    _, second = version_on(project.id, "second")

    def stopped(context: RunContext) -> None:
        context.wants = MethodType(lambda _: "stop", context)  # type: ignore[method-assign]
        change_reference(context, prepare=lambda *_: 0)

    run = run_now(project.id, "embeddings.reference", {"trunk_id": second}, stopped)
    assert (run.state, run.stopped_early, run.result["changed"]) == (RunState.SUCCEEDED, True, False)
    assert (reference_of(project.id), embedded_by(second)) == (first, 5)


def test_a_project_without_a_version_gets_a_pretrained_reference(project: Project):
    ids = photo_images(project.id, 3)
    other = make_other_project()
    made = trunk_like(tiny_version(other, ["Apple", "Pear"]).trunk_id, "pretrained", "efficientnet_lite0")
    asked = {"architecture": "efficientnet_lite0", "input_size": 224}
    registered = {("efficientnet_lite0", 224): made}
    work = partial(change_reference, prepare=lambda *wanted: registered[wanted])
    run = run_now(project.id, "embeddings.reference", asked, work)
    assert (run.state, reference_of(project.id), embedded_by(made)) == (RunState.SUCCEEDED, made, len(ids))


def test_the_trunk_of_another_project_is_no_choice(sign_in_as: SignInAs, project: Project):
    _, theirs = version_on(make_other_project(), "theirs")
    address = f"/projects/{project.slug}/trunks/reference"
    for choice in (f"trunk:{theirs}", "trunk:0", "pretrained:resnet9000", ""):
        assert sign_in_as("engineer").post(address, data={"choice": choice}).status_code == 422


def test_embeddings_that_nothing_keeps_are_dropped_and_only_those(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WINNOW_EMBEDDING_VERSIONS_KEPT", "1")
    get_settings.cache_clear()
    ids = photo_images(project.id, 4)
    theirs = photo_images(make_other_project(), 2, start=10)
    reference = tiny_version(project.id, ["Apple", "Pear"]).trunk_id
    served_version, served = version_on(project.id, "served")
    read_version, being_read = version_on(project.id, "read")
    _, trained_on = version_on(project.id, "trained on")
    _, old = version_on(project.id, "old")
    _, newest = version_on(project.id, "newest")
    deploy(project.id, served_version)
    with write() as session:
        session.execute(update(Trunk).where(Trunk.id == trained_on).values(architecture="resnet50"))
        ask = partial(request_run, session, project_id=project.id, title="Busy")
        ask(kind="identification.identify", parameters={"version_id": read_version})
        busy = ask(kind="training.train", parameters={"start": "head_only", "trunk": "resnet50", "input_size": 224})
    for trunk_id in (reference, served, being_read, trained_on, old, newest):
        embed_missing(load_trunk(trunk_id), [*ids, *theirs])
    with write() as session:
        unknown = request_run(
            session, project_id=project.id, kind="training.preview_augmentation", title="", parameters={}
        )
    with read() as session:
        assert droppable(session, project.id) == [], "a run of a sort that is not known here may read anything"
    with write() as session:
        session.execute(update(Run).where(Run.id == unknown).values(state=RunState.FAILED))
    with read() as session:
        assert droppable(session, project.id) == [old]
    run = run_now(project.id, KIND, {}, clean_embeddings)
    assert run.result == {"trunks": 1, "embeddings": 4}
    assert embedded_by(old) == len(theirs), "images of another project keep theirs"
    assert {embedded_by(each) for each in (reference, served, being_read, trained_on, newest)} == {6}
    with write() as session:
        session.execute(update(Run).where(Run.id == busy).values(state=RunState.FAILED))
    assert request_due_cleanings() == 2, "this project's, and that of the other one, which has no version at all"
    run_now(project.id, KIND, {}, clean_embeddings)
    assert (embedded_by(trained_on), embedded_by(being_read)) == (2, 6)
