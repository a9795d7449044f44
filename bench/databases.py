"""A PostgreSQL database of a benchmark's own, on the server of WINNOW_TEST_POSTGRES_SERVER."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

from app.core.database import get_engine

SERVER: Final = "WINNOW_TEST_POSTGRES_SERVER"


@contextmanager
def own_database() -> Iterator[str]:
    """A database of our own on the server; gone afterwards. Yields its address."""
    server = sa.make_url(os.environ[SERVER])
    name = f"winnow_bench_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        if get_engine.cache_info().currsize:
            get_engine().dispose()
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
        admin.dispose()
