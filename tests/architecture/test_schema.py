"""The schema that the migrations make is the one the ORM describes, with every rule that the database itself keeps."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.exc import IntegrityError

from app.assembly.tables import metadata
from app.core.database import get_engine
from app.core.migrations import alembic_config
from app.core.settings import get_settings

pytestmark = pytest.mark.usefixtures("installation")


def test_models_and_migrations_agree():
    command.check(alembic_config(get_settings().sql_url))


def test_every_check_and_partial_index_of_the_models_is_in_the_database():
    inspector = sa.inspect(get_engine())
    for table in metadata.sorted_tables:
        wanted = {str(c.name) for c in table.constraints if isinstance(c, sa.CheckConstraint) and c.name}
        assert wanted <= {str(c["name"]) for c in inspector.get_check_constraints(table.name)}, table.name
        partial = {
            str(index.name)
            for index in table.indexes
            if index.dialect_options["sqlite"]["where"] is not None
            or index.dialect_options["postgresql"]["where"] is not None
        }
        dialect = get_engine().dialect.name
        found = {
            str(index["name"])
            for index in inspector.get_indexes(table.name)
            if f"{dialect}_where" in (index.get("dialect_options") or {})
        }
        assert partial == found, table.name


def test_foreign_keys_are_enforced():
    with get_engine().connect() as connection, pytest.raises(IntegrityError):
        connection.execute(
            sa.text("INSERT INTO sub_class (class_id, name) VALUES (:class_id, :name)"),
            {"class_id": 999, "name": "cub"},
        )


def test_sqlite_keeps_an_acknowledged_commit_through_a_power_cut():
    if get_engine().dialect.name != "sqlite":
        assert get_engine().dialect.name == "postgresql"
        return
    with get_engine().connect() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2}
