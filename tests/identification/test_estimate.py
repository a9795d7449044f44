"""What an identification will take is said beforehand, by the page and the API: as jobs showed, or that nothing has."""

from __future__ import annotations

import pytest

from app.core.clock import now
from app.core.database import read, write
from app.embeddings.work import embed_missing
from app.identification.chunk_models import IdentificationRate
from app.identification.estimate import Estimate, estimate
from app.identification.schemas import Selection
from app.identification.work import identify
from app.library.service import change_images
from app.registry.artifacts import load_trunk
from app.registry.speeds import Measured, record_speed
from tests.factories.predictions import photo_images, run_now
from tests.factories.registry import SIZE, TinyVersion, tiny_version
from tests.web_client import Project, SignInAs

NAMES = ["Apple", "Pear", "Plum"]
KIND = "identification.identify"


def of(project: Project, version: TinyVersion, **selection: str) -> Estimate:
    with read() as session:
        return estimate(session, Selection(**selection), project_id=project.id, version_id=version.id)


def test_an_estimate_counts_what_needs_embedding_and_rests_on_measured_rates(project: Project):
    ids = photo_images(project.id, 12)
    version = tiny_version(project.id, NAMES)
    embed_missing(load_trunk(version.trunk_id), ids[:4])
    with write() as session:
        change_images(session, ids[:1], project_id=project.id, state="unknown")
        change_images(session, ids[1:2], project_id=project.id, rotation=90, origin="staged")
    pool = of(project, version)
    assert (pool.images, pool.embedded, pool.to_embed, pool.is_exact, pool.is_sampled) == (11, 2, 9, True, False)
    assert (pool.seconds, pool.rate_from) == (None, None)
    assert [of(project, version, kind=kind).images for kind in ("unknown", "open")] == [1, 12]
    staged = of(project, version, kind="filter", query="origin=staged")
    assert (staged.images, staged.embedded) == (1, 0)
    with write() as session:
        record_speed(
            session,
            "compact_cnn",
            SIZE,
            Measured(device="cpu", threads=1, train_images_per_s=1.0, infer_images_per_s=3.0),
        )
        session.add(
            IdentificationRate(
                trunk_id=version.trunk_id, step="scoring", images_per_s=2.0, images=100, measured_at=now()
            )
        )
    told = of(project, version)
    assert (told.rate_from, told.seconds) == ("trunks", pytest.approx(9 / 3.0 + 2 / 2.0))


def test_a_job_leaves_the_rates_that_the_next_estimate_rests_on(project: Project, sign_in_as: SignInAs):
    photo_images(project.id, 80)
    version = tiny_version(project.id, NAMES)
    engineer = sign_in_as("engineer")
    address = f"/projects/{project.slug}/identify/estimate?version_id={version.id}&kind=pool&query="
    before = engineer.get(address)
    assert "80 images" in before.text
    assert "not been at work here" in before.text
    for _ in range(2):
        done = run_now(project.id, KIND, {"version_id": version.id}, identify)
        assert done.result["images"] == 80
    told = of(project, version)
    assert (told.to_embed, told.rate_from) == (0, "jobs")
    assert told.embedding_rate is not None
    assert told.scoring_rate is not None
    assert told.seconds == pytest.approx(80 / told.scoring_rate)
    assert "all have an embedding" in engineer.get(address).text
    api = f"/api/v1/projects/{project.slug}/identifications"
    answer = engineer.get(f"{api}/estimate", params={"version_id": version.id}).json()
    assert (answer["images"], answer["to_embed"], answer["seconds"]) == (80, 0, pytest.approx(told.seconds))
    assert engineer.get(f"{api}/estimate").status_code == 409
    assert engineer.get(f"{api}/estimate?version_id=99999").status_code == 404
    assert engineer.get(f"{api}/estimate?version_id={version.id}&kind=filter&query=class_id=x").status_code == 422
    started = engineer.post(api, json={"version_id": version.id, "kind": "open"})
    assert started.status_code == 202
    run = engineer.get(f"/api/v1/projects/{project.slug}/runs/{started.json()['run_id']}").json()
    assert (run["state"], run["title"]) == ("queued", "Identify pool and unknowns by v1")
    assert engineer.get(f"{api}/standing").json() == {"standing": None, "unknowns": None}
