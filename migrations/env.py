"""Runs migrations against the database of the settings, or against a connection handed over by a caller."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from app.assembly.tables import metadata
from app.core.database import open_engine
from app.core.settings import get_settings


def run(connection: Connection) -> None:
    """Migrate within one transaction where the database allows it."""
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    run(connection)
else:
    engine = open_engine(context.config.attributes.get("url") or get_settings().sql_url)
    with engine.connect() as opened:
        run(opened)
        opened.commit()
    engine.dispose()
