"""What answers: loaded once, kept while the database is away or a new version cannot be loaded, and the keep policy."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from ulid import ULID

from app.core.database import get_engine, write
from app.core.errors import Unavailable
from app.core.storage import get_storage
from app.inference.ranking import Decision
from app.projects.models import Project
from app.registry.artifacts import FOLDER
from app.serving.active import ActiveVersions
from app.serving.answering import SAMPLED_ONE_IN, _keeps
from app.serving.running import current, running
from tests.factories.serving import in_production, promote_another


def test_one_version_is_loaded_however_many_ask_at_once(project: Project):
    in_production(project.id)
    versions = ActiveVersions()
    ready = threading.Barrier(8)
    got = []

    def ask() -> None:
        ready.wait()
        got.append(versions.get(project.id))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len({id(one) for one in got}) == 1


def test_what_is_there_goes_on_answering_where_the_new_one_cannot_be_loaded(project: Project):
    first = in_production(project.id)
    versions = ActiveVersions()
    assert versions.get(project.id).production.version_id == first.version.id
    second = promote_another(project.id, seed=3)
    with write() as session:
        name = session.scalar(
            sa.text("SELECT head_file FROM model_version WHERE id = :id").bindparams(id=second.version.id)
        )
    get_storage().file_path(FOLDER, str(name)).unlink()
    versions._places[project.id].looked_at = 0.0
    assert versions.get(project.id).production.version_id == first.version.id
    with pytest.raises(Unavailable, match="missing"):
        ActiveVersions().get(project.id)


def test_what_is_there_goes_on_answering_while_the_database_is_away(project: Project):
    first = in_production(project.id)
    versions = ActiveVersions()
    versions.get(project.id)
    with get_engine().begin() as connection:
        connection.exec_driver_sql("ALTER TABLE deployment RENAME TO deployment_away")
    versions._places[project.id].looked_at = 0.0
    assert versions.get(project.id).production.version_id == first.version.id


def test_production_is_loaded_ahead_of_the_first_request(project: Project):
    first = in_production(project.id)
    with running() as serving:
        serving.warming.join()
        known = serving.active_versions._places[project.id].active
        assert known is not None
        assert known.production.version_id == first.version.id
        with running() as again:
            assert again is serving is current()
    with pytest.raises(Unavailable):
        current()


def test_a_sample_keeps_about_a_tenth():
    kept = sum(_keeps("sampled", Decision.ANSWERED, str(ULID())) for _ in range(4_000))
    assert 300 < kept < 500
    assert SAMPLED_ONE_IN == 10
