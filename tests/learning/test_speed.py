"""A trunk is measured in a process of its own; one that cannot be measured is named and the others go on."""

from app.core.database import read, write
from app.registry.speeds import KIND, latest_speeds, measure_trunks
from tests.factories.predictions import run_now
from tests.factories.runs import any_project


def test_a_trunk_is_measured_and_kept(installation: object):  # noqa: ARG001 - must exist first
    with write() as session:
        project_id = any_project(session)
    run = run_now(project_id, KIND, {"architectures": ["compact_cnn"]}, measure_trunks)
    assert run.result == {"measured": 1, "failed": {}}
    with read() as session:
        speed = latest_speeds(session)["compact_cnn"]
    assert (speed.input_size, speed.device.partition(":")[0]) in {(64, "CPU"), (64, "GPU")}
    assert speed.train_images_per_s > 0
    assert speed.infer_images_per_s > 0
