"""Bringing a database to the present schema."""

from __future__ import annotations

from alembic import command
from alembic.config import Config

from app.core.settings import ROOT, get_settings


def alembic_config(url: str | None = None) -> Config:
    """Alembic's configuration for `url`, by default the database of the settings."""
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    return config


def migrate(url: str | None = None) -> None:
    """Upgrade to the newest revision. A new SQLite file's folder is made."""
    get_settings().data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    command.upgrade(alembic_config(url), "head")
