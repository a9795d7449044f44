"""The page of trunks, the figures on it, and asking for them."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.projects.models import Project
from app.registry.speeds import Measured, inference_rate, latest_speeds, record_speed, request_measuring
from app.registry.trunks import TRUNKS
from app.runs.models import Run
from tests.web_client import SignInAs


def measured(infer: float, threads: int = 2) -> Measured:
    return Measured(device="CPU:0", threads=threads, train_images_per_s=infer / 4, infer_images_per_s=infer)


def test_the_page_names_every_trunk_and_what_was_measured(sign_in_as: SignInAs, project: Project):
    address = f"/projects/{project.slug}/trunks"
    page = sign_in_as("viewer").get(address).text
    assert all(kind.title in page for kind in TRUNKS.values())
    assert "Nothing has been measured" in page
    assert "Measure them all" not in page
    with write() as session:
        record_speed(session, "resnet50", 224, measured(1234.5))
    page = sign_in_as("engineer").get(address).text
    assert "1,234.5" in page
    assert "Nothing has been measured" not in page
    assert "Measure them all" in page


def test_an_engineer_has_them_measured_once(sign_in_as: SignInAs, project: Project):
    address = f"/projects/{project.slug}/trunks/measure"
    assert sign_in_as("labeller").post(address).status_code == 403
    for _ in range(2):
        assert sign_in_as("engineer").post(address).status_code == 303
    with read() as session:
        run = session.scalars(select(Run)).one()
    assert (run.kind, run.queue) == ("registry.measure_trunks", "learning")
    assert sorted(run.parameters["architectures"]) == sorted(TRUNKS)


def test_a_trunk_that_does_not_exist_is_not_measured(project: Project):
    with write() as session, pytest.raises(InvalidInput, match="resnet9000"):
        request_measuring(session, project.id, ["resnet9000"], user_id=None)


@pytest.mark.usefixtures("installation")
def test_the_last_measuring_counts_and_another_size_goes_by_area():
    for figures in (measured(10), measured(20, threads=4), measured(30)):
        with write() as session:
            record_speed(session, "resnet50", 200, figures)
    with read() as session:
        assert latest_speeds(session)["resnet50"].infer_images_per_s == 30
        assert inference_rate(session, "resnet50", 100) == pytest.approx(120)
        assert inference_rate(session, "inception_v4", 299) is None
