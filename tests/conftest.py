"""Fixtures of every test: an own data folder and an own migrated database for each, on the chosen database.

The schema comes from the migrations, run once into a template; each test gets a copy (a file, or
`CREATE DATABASE … TEMPLATE`). `WINNOW_TEST_POSTGRES_URL` (an administrator's URL) switches to PostgreSQL.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import hypothesis
import pytest
import sqlalchemy as sa

from app.assembly import following as _followers  # noqa: F401 - images may change where it is imported
from app.core.database import get_engine, open_engine
from app.core.migrations import migrate
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.runs.broker import get_sender

# Timing is never asserted: a busy machine must not fail a test.
hypothesis.settings.register_profile("winnow", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("winnow")

ADMIN_URL = os.environ.get("WINNOW_TEST_POSTGRES_URL", "")


def forget_process_state() -> None:
    """Close what the process keeps open, so that the next test builds it from its own settings."""
    if get_engine.cache_info().currsize:
        _wait_for_connections(get_engine())
        get_engine().dispose()
    for cached in (get_settings, get_engine, get_storage, get_sender):
        cached.cache_clear()


def _wait_for_connections(engine: sa.Engine) -> None:
    """Fails where one never ends: a connection that a thread still holds would outlive its pool, closed by nobody."""
    pool = cast("sa.QueuePool", engine.pool)
    deadline = time.monotonic() + 30
    while pool.checkedout() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not pool.checkedout(), f"{pool.checkedout()} database connections were never given back"


def _run_as_admin(statement: str) -> None:
    engine = sa.create_engine(ADMIN_URL, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture(scope="session")
def database_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated, empty database: the path of an SQLite file, or the name of a PostgreSQL database."""
    if ADMIN_URL:
        name = f"winnow_template_{uuid.uuid4().hex[:12]}"
        _run_as_admin(f'CREATE DATABASE "{name}"')
        migrate(_postgres_url(name))
        yield name
        _run_as_admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        return
    folder = tmp_path_factory.mktemp("template")
    path = folder / "winnow.db"
    migrate(f"sqlite:///{path}")
    engine = open_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    yield str(path)


def _postgres_url(name: str) -> str:
    return sa.make_url(ADMIN_URL).set(database=name).render_as_string(hide_password=False)


@contextmanager
def installed(data: Path, template: str) -> Iterator[Path]:
    """This process, and those it starts, on an installation of its own: data folder, database, settings."""
    data.mkdir()
    name = f"winnow_test_{uuid.uuid4().hex[:12]}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WINNOW_DATA_DIR", str(data))
        if ADMIN_URL:
            _run_as_admin(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            environment.setenv("WINNOW_DATABASE_URL", _postgres_url(name))
        else:
            shutil.copy(template, data / "winnow.db")
        forget_process_state()
        yield data
        forget_process_state()
    if ADMIN_URL:
        _run_as_admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def installation(tmp_path: Path, database_template: str) -> Iterator[Path]:
    """An installation of the test's own. Yields the data folder."""
    with installed(tmp_path / "data", database_template) as data:
        yield data


from tests.web_client import application, project, sign_in_as, visitor  # noqa: E402, F401 - fixtures for every test
