"""What an installation holds, so that a test can say that nothing of it changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import func, literal, select, union_all

from app.assembly.tables import metadata
from app.core.database import read

UNWATCHED = frozenset({"user_session", "audit_entry", "sign_in_failure"})
_LAST_USED = frozenset({"last_used_at"})
_TABLES = [table for table in metadata.sorted_tables if table.name not in UNWATCHED]


def row_counts() -> dict[str, int]:
    """Rows of every table but sessions and audit, by one query."""
    counts = [select(literal(table.name), func.count()).select_from(table) for table in _TABLES]
    with read() as session:
        return dict(session.execute(union_all(*counts)).all())


def contents(data: Path) -> dict[str, str]:
    """A digest of every such table's rows, and of the names and sizes of what lies in the data folder."""
    found = {}
    with read() as session:
        for table in _TABLES:
            columns = [column for column in table.columns if column.name not in _LAST_USED]
            rows = sorted(map(repr, session.execute(select(*columns)).all()))
            found[table.name] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    files = sorted(f"{path.relative_to(data)} {path.stat().st_size}" for path in data.rglob("*") if _is_kept(path))
    return found | {"files": hashlib.sha256("\n".join(files).encode()).hexdigest()}


def _is_kept(path: Path) -> bool:
    """The database's own files change as it likes; the spool belongs to a running server, the secret to the first."""
    return path.is_file() and not path.name.startswith(("winnow.db", "secret.key")) and "spool" not in path.parts
