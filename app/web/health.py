"""Whether the process lives, and whether it can serve. Both are public and tell nothing but that."""

from __future__ import annotations

import os

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core.database import read
from app.core.errors import Unavailable
from app.core.settings import get_settings
from app.web.dependencies import public

router = APIRouter(dependencies=[Depends(public)], include_in_schema=False)


@router.get("/health")
def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/ready")
def ready() -> dict[str, str]:
    """The database answers, migrated, and the data folder can be written; else 503."""
    try:
        with read() as session:
            session.execute(text("SELECT version_num FROM alembic_version")).one()
    except SQLAlchemyError as error:
        raise Unavailable("The database does not answer, or has no tables yet.", code="database") from error
    if not os.access(get_settings().data_dir, os.W_OK):
        raise Unavailable("The data folder cannot be written.", code="storage")
    return {"status": "ready"}
