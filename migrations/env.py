"""Runs migrations against the database of the settings, or against a connection handed over by a caller."""

from __future__ import annotations

import re
from typing import Any, Final

from alembic import context
from sqlalchemy import Connection

from app.assembly.tables import metadata
from app.core.database import open_engine
from app.core.settings import get_settings

# Clustered, partitioned, with indexes for each job: what can be compared of it is not how it lies (0003 writes it).
_BY_HAND: Final = re.compile(r"prediction(_job_\d+)?")


def is_compared(_object: Any, name: str | None, kind: str, _is_reflected: bool, _other: Any) -> bool:
    """Whether the models are held against this part of the database."""
    return not (kind == "table" and _BY_HAND.fullmatch(name or ""))


def run(connection: Connection) -> None:
    """Migrate within one transaction where the database allows it."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        compare_type=True,
        include_object=is_compared,
    )
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
