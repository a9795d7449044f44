"""What `winnow doctor` looks at. Each finding says what is, and what to do where it is not fine."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from app.cli import embedded_broker
from app.core.database import Json, get_engine, sqlite_module
from app.core.settings import get_settings
from app.inference.plans import engine_release, machine_name, offered
from app.registry.trunks import TRUNKS
from app.registry.weights import WeightsAtHand, weights_at_hand
from app.runs.broker import broker_url, get_sender

SAFE_SQLITE = (3, 51, 3)
LEAST_FREE_GIB = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    name: str
    is_fine: bool
    says: str

    def as_json(self) -> Json:
        """The finding as an object."""
        return asdict(self)


def look() -> list[Finding]:
    """Look at everything; never raises for what is broken."""
    return [*_database(), _broker(), _disk(), _engine(), _learning(), _device(), *_weights()]


def as_table(findings: list[Finding]) -> str:
    """The findings as lines."""
    width = max(len(each.name) for each in findings)
    return "\n".join(f"{'ok  ' if each.is_fine else 'FAULT'} {each.name:<{width}}  {each.says}" for each in findings)


def _database() -> list[Finding]:
    found = []
    if get_settings().sql_url.startswith("sqlite"):
        module = sqlite_module()
        version = tuple(int(part) for part in module.sqlite_version.split("."))
        is_safe = version >= SAFE_SQLITE
        says = f"SQLite {module.sqlite_version}"
        if not is_safe:
            says += (
                ": older than 3.51.3, which can corrupt a WAL database that several processes write. Install the"
                " package pysqlite3, or use PostgreSQL."
            )
        elif module is sqlite3:
            says += " of this Python"
        found.append(Finding("sqlite", is_safe, says))
    try:
        with get_engine().connect() as connection:
            revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        found.append(Finding("database", True, f"{get_engine().dialect.name}, schema {revision}"))
    except sa.exc.SQLAlchemyError as error:
        reason = type(error).__name__
        found.append(Finding("database", False, f"no schema yet, or no answer ({reason}): `winnow up` makes it"))
    return found


def _broker() -> Finding:
    if not get_settings().broker_url:
        state = "answers" if embedded_broker.is_answering() else "is not running (it runs within `winnow up`)"
        return Finding("broker", True, f"embedded {embedded_broker.server_command()[1]}, {state}")
    from kombu.exceptions import OperationalError

    try:
        with get_sender().connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=3)
    except OperationalError as error:
        return Finding("broker", False, f"{broker_url().split('@')[-1]} does not answer: {error}")
    return Finding("broker", True, f"{broker_url().split('@')[-1]} answers")


def _disk() -> Finding:
    folder = get_settings().data_dir.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    return Finding("disk", free >= LEAST_FREE_GIB, f"{free:.0f} GiB free for {get_settings().data_dir}")


def _engine() -> Finding:
    ways = [f"{engine} {engine_release(engine)} in {precision}" for engine, precision in offered()]
    return Finding("inference", True, f"{machine_name()}: {', '.join(ways)}")


def _learning() -> Finding:
    missing = [name for name in ("tensorflow", "keras", "tf2onnx") if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("learning", False, f"not installed: {', '.join(missing)}; this machine cannot train")
    return Finding("learning", True, "TensorFlow and Keras are installed")


def _device() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = shutil.which("nvidia-smi")
    return Finding("device", True, f"{cores} CPU cores; {'an NVIDIA GPU tool is present' if gpu else 'no GPU'}")


def _weights() -> list[Finding]:
    folder = get_settings().trunk_weights_dir
    return [_weights_of(name, weights_at_hand(name, folder)) for name in TRUNKS]


def _weights_of(name: str, weights: WeightsAtHand) -> Finding:
    says = f"weights at hand, {weights.says}" if weights.is_here else f"weights {weights.says}"
    if weights.file and not weights.is_here:
        says += f", or read as {weights.file} from WINNOW_TRUNK_WEIGHTS_DIR"
    return Finding(f"trunk {name}", True, says)
