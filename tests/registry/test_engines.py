"""The choice of an engine: settled once for a trunk, kept apart by machine, refused where answers would differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.core.database import read, write
from app.core.errors import Unavailable
from app.inference.errors import EngineError
from app.inference.plans import EngineName, EnginePlan, Precision, machine_name, runs_here
from app.inference.trials import Agreement, Trial, compare, why_refused
from app.projects.models import Project
from app.registry.artifacts import load_trunk
from app.registry.engine_models import EnginePin, TrunkPrecision
from app.registry.engines import plan_for, settle_engines
from app.runs.models import Run
from tests.factories.registry import tiny_trunk_row, tiny_version
from tests.web_client import SignInAs

ALL = Agreement(images=200, sure=190, same=200, sure_same=190, largest_difference=1e-6)
PLAIN = Trial(EnginePlan(streams=2, threads=1, batch=8), 100.0, ALL)
VINO = Trial(EnginePlan(EngineName.OPENVINO, Precision.FLOAT32, 2, 1, 4), 120.0, ALL)
BF16 = Trial(EnginePlan(EngineName.OPENVINO, Precision.BFLOAT16, 2, 1, 8), 200.0, replace(ALL, same=199))


def test_the_rule_of_parity():
    reference = np.array([[0.6, 0.4], [0.5004, 0.4996], [0.1, 0.9]], np.float32)
    other = np.array([[0.6, 0.4], [0.4996, 0.5004], [0.1, 0.9]], np.float32)
    found = compare(reference, other)
    assert (found.images, found.sure, found.same, found.sure_same) == (3, 2, 2, 2)
    assert why_refused(Precision.FLOAT32, found) == ""
    assert "1 of 2 sure" in why_refused(Precision.FLOAT32, compare(reference, other[[0, 1, 0]]))
    assert "100 are needed" in why_refused(Precision.BFLOAT16, found)
    assert "98.9%" in why_refused(Precision.BFLOAT16, replace(ALL, images=1000, same=989))
    assert why_refused(Precision.BFLOAT16, replace(ALL, images=1000, same=990)) == ""


@pytest.mark.usefixtures("installation")
def test_a_new_trunk_takes_the_fastest_that_may_be_used_and_keeps_its_precision():
    with write() as session:
        trunk_id = tiny_trunk_row(session)
        slow = replace(BF16, refused="keeps 98.0% of the first answers")
        assert settle_engines(session, trunk_id, [PLAIN, VINO, slow]) == VINO.plan
        assert settle_engines(session, trunk_id, [PLAIN, BF16]) == PLAIN.plan
        with pytest.raises(EngineError, match="float32"):
            settle_engines(session, trunk_id, [replace(PLAIN, refused="it failed"), BF16])
    with read() as session:
        assert plan_for(session, trunk_id) == PLAIN.plan
    # The database itself keeps two precisions from one trunk.
    with pytest.raises(IntegrityError), write() as session:
        session.execute(update(EnginePin).values(precision="bfloat16"))


@pytest.mark.usefixtures("installation")
def test_a_gain_that_may_be_chance_changes_nothing_and_other_machines_keep_their_own():
    with write() as session:
        trunk_id = tiny_trunk_row(session)
        assert settle_engines(session, trunk_id, [PLAIN, replace(VINO, images_per_s=105.0)]) == PLAIN.plan
        session.execute(update(EnginePin).values(machine="another, 64 cores", batch=32))
    with read() as session:
        assert plan_for(session, trunk_id).batch != 32
    with write() as session:
        settle_engines(session, trunk_id, [VINO])
    with read() as session:
        kept = dict(session.execute(select(EnginePin.machine, EnginePin.engine)).all())
    assert kept == {"another, 64 cores": "onnxruntime", machine_name(): "openvino"}


def test_a_trunk_in_use_stays_as_its_embeddings_are(project: Project):
    version = tiny_version(project.id, ["Apple", "Pear"])
    with write() as session:
        assert settle_engines(session, version.trunk_id, [PLAIN, BF16]) == PLAIN.plan
        assert session.scalars(select(TrunkPrecision.precision)).one() == "float32"


@pytest.mark.skipif(runs_here(EngineName.OPENVINO, Precision.BFLOAT16), reason="this CPU computes in bfloat16")
@pytest.mark.usefixtures("installation")
def test_a_machine_without_the_precision_refuses():
    with write() as session:
        trunk_id = tiny_trunk_row(session)
        settle_engines(session, trunk_id, [BF16])
    with pytest.raises(Unavailable, match="bfloat16"):
        load_trunk(trunk_id)


def test_pages_say_what_runs_a_version_and_engineers_measure_again(sign_in_as: SignInAs, project: Project):
    version = tiny_version(project.id, ["Apple", "Pear"])
    own = f"/projects/{project.slug}/models/{version.number}"
    assert "ONNX Runtime runs it in float32" in sign_in_as("viewer").get(own).text
    with write() as session:
        refused = replace(BF16, refused="keeps 97.5% of the first answers; 99% is the least")
        settle_engines(session, version.trunk_id, [PLAIN, VINO, refused])
    page = sign_in_as("engineer").get(own).text
    assert "OpenVINO" in page
    assert "keeps 97.5% of the first answers" in page
    assert "120.0" in sign_in_as("viewer").get(f"/projects/{project.slug}/trunks").text
    for _ in range(2):
        assert sign_in_as("engineer").post(f"{own}/engines").status_code == 303
    with read() as session:
        run = session.scalars(select(Run).where(Run.kind == "registry.measure_engines")).one()
    assert (run.queue, run.parameters) == ("learning", {"version_id": version.id})
