"""The database: how it is opened, and the only two ways to use it.

`read()` opens a session that is always rolled back: pages, authentication, templates. `write()` is the only place
that begins and commits; on SQLite it takes the write lock at once (`BEGIN IMMEDIATE`), since a read that turns into a
write under a deferred BEGIN fails as soon as two people work. Keep parsing, hashing and file work outside it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from types import ModuleType
from typing import Any, ClassVar

import psycopg
from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    Select,
    String,
    TypeDecorator,
    create_engine,
    event,
    func,
    literal,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Session

from app.core.settings import get_settings

Json = dict[str, Any]

BigId = BigInteger().with_variant(Integer, "sqlite")
JsonDocument = JSON(none_as_null=True)


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC times on both databases; naive ones are refused, since SQLite drops the offset in silence."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database: UTC; naive for SQLite, which stores text. Raises ValueError for a naive time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"times must be aware, received the naive {value!r}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base class names it
        """From the database: aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """Base of every ORM class. Constraint names are fixed, so that migrations can address them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: UtcTime(),
        Json: JsonDocument,
        list[Json]: JsonDocument,
        str: String(),
        int: BigId,
    }


def sqlite_module() -> ModuleType:
    """The pinned SQLite where its wheel exists, else the interpreter's own (`doctor` reports that as a fault)."""
    try:
        from pysqlite3 import dbapi2
    except ImportError:
        return sqlite3
    module: ModuleType = dbapi2
    return module


def open_engine(url: str) -> Engine:
    """An engine with our connection rules. `url` is any SQLAlchemy URL of SQLite (file) or PostgreSQL.

    Its errors do not show the values of a statement: they end in the log, and may be secrets.
    """
    if make_url(url).get_backend_name() != "sqlite":
        server = create_engine(url, pool_size=20, max_overflow=40, pool_pre_ping=True, hide_parameters=True)
        event.listen(server, "connect", _settle)
        return server
    engine = create_engine(url, module=sqlite_module(), pool_size=20, max_overflow=40, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=10000",
            "mmap_size=0",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        is_write = connection.get_execution_options().get("winnow_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    return engine


def _settle(connection: psycopg.Connection[Any], _: object) -> None:
    """Plan for short statements on solid disks.

    By the defaults, compiling a statement took longer than doing it, and ten thousand images were found by reading a
    million.
    """
    connection.execute("SET jit = off")
    connection.execute("SET random_page_cost = 1.1")
    connection.commit()


@lru_cache(maxsize=1)
def get_engine() -> Engine:
    """The engine of this process, opened at first use (never before a fork)."""
    return open_engine(get_settings().sql_url)


@contextmanager
def read() -> Iterator[Session]:
    """A session for reading: one consistent view, rolled back at the end. Rows stay readable afterwards."""
    with Session(get_engine(), autoflush=False, info={"is_read": True}) as session:
        yield session
        session.expunge_all()
        session.rollback()


@contextmanager
def write() -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises. Then announcements run."""
    engine = get_engine().execution_options(winnow_write=True)
    with Session(engine, expire_on_commit=False) as session:
        yield session
        session.commit()
    announcements: list[Callable[[], None]] = session.info.get("after_commit", [])
    for announce in announcements:
        announce()


def after_commit(session: Session, announce: Callable[[], None]) -> None:
    """Run `announce` once the transaction of this write session is committed; never if it is rolled back."""
    session.info.setdefault("after_commit", []).append(announce)


def id_rows(session: Session, ids: list[int]) -> Select[tuple[int]]:
    """`ids` as a subquery for `column.in_(...)`: one bind parameter however many, on both databases."""
    if session.get_bind().dialect.name == "sqlite":
        return select(func.json_each(json.dumps(ids)).table_valued("value", name="ids").c.value)
    return select(func.unnest(literal(ids, ARRAY(BigInteger))))


def insert_into(session: Session, table: type[Table]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT of this session's database, for `.on_conflict_do_nothing()` and `.on_conflict_do_update(...)`.

    Give it its rows as the second argument of `session.connection().execute(...)`, sorted by key: on PostgreSQL two
    writers that insert the same keys in different orders would lock each other out.
    """
    return sqlite.insert(table) if is_sqlite(session) else postgresql.insert(table)


def is_sqlite(session: Session) -> bool:
    """Whether this session talks to SQLite."""
    return session.get_bind().dialect.name == "sqlite"
