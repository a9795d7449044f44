"""How fast the trunks are here: the run that measures them, one after another, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import insert_into, write
from app.core.errors import InvalidInput
from app.core.settings import get_settings
from app.registry.models import TrunkSpeed
from app.registry.trunks import TRUNKS
from app.runs.context import RunContext
from app.runs.service import request_run

KIND: Final = "registry.measure_trunks"
TITLE: Final = "Measure the trunks"
SECONDS_PER_TRUNK: Final = 600.0
_ROOT: Final = Path(__file__).resolve().parents[2]
_PAUSE: Final = 0.5


class Measured(BaseModel):
    """What the measuring process prints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = Field(max_length=80)
    threads: int = Field(ge=1)
    train_images_per_s: float = Field(gt=0, allow_inf_nan=False)
    infer_images_per_s: float = Field(gt=0, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """Images per second at an input size; `device` is what training ran on, inference runs on the CPU."""

    architecture: str
    input_size: int
    device: str
    threads: int
    train_images_per_s: float
    infer_images_per_s: float
    measured_at: datetime


def request_measuring(session: Session, project_id: int, names: Sequence[str], *, user_id: int | None) -> int:
    """Measure these architectures, or all without names, in the background; the run. Raises InvalidInput."""
    if unknown := sorted(set(names) - set(TRUNKS)):
        raise InvalidInput(f"A trunk is one of {', '.join(TRUNKS)}; received {unknown[0][:80]!r}.")
    return request_run(
        session,
        project_id=project_id,
        kind=KIND,
        title=TITLE,
        parameters={"architectures": list(names) or sorted(TRUNKS, key=lambda name: TRUNKS[name].parameters)},
        created_by=user_id,
        coalesce_key=KIND,
    )


def latest_speeds(session: Session) -> dict[str, SpeedRow]:
    """The last measuring of each architecture, by name."""
    rows = session.scalars(select(TrunkSpeed).order_by(TrunkSpeed.measured_at))
    return {row.architecture: SpeedRow(**{name: getattr(row, name) for name in SpeedRow.__slots__}) for row in rows}


def inference_rate(session: Session, architecture: str, input_size: int) -> float | None:
    """Images per second to embed, as last measured; by the area of the input where another size was measured."""
    query = select(TrunkSpeed).where(TrunkSpeed.architecture == architecture).order_by(TrunkSpeed.measured_at.desc())
    rows = session.scalars(query).all()
    if not rows:
        return None
    row = next((each for each in rows if each.input_size == input_size), rows[0])
    return row.infer_images_per_s * (row.input_size / input_size) ** 2


def record_speed(session: Session, architecture: str, input_size: int, measured: Measured) -> None:
    """Keep a measuring; an older one of the same device and threads is replaced."""
    row = {
        "architecture": architecture,
        "input_size": input_size,
        "measured_at": now(),
        **measured.model_dump(),
    }
    statement = insert_into(session, TrunkSpeed)
    fresh = {name: statement.excluded[name] for name in ("train_images_per_s", "infer_images_per_s", "measured_at")}
    keys = ["architecture", "input_size", "device", "threads"]
    session.connection().execute(statement.on_conflict_do_update(index_elements=keys, set_=fresh), [row])


def measure_trunks(context: RunContext) -> None:
    """The run kind `registry.measure_trunks`. Each figure is kept when it is there; one that fails is named."""
    names = [str(name) for name in context.parameters["architectures"]]
    failed: dict[str, str] = {}
    threads = get_settings().inference_threads or _cores()
    is_stopped = False
    for place, name in enumerate(names):
        size = TRUNKS[name].default_input_size
        note = f"Measuring {TRUNKS[name].title} at {size} px"
        context.progress(place, len(names), note)
        found = _measure_in_child(context, name, size, threads, progress=(place, len(names), note))
        if isinstance(found, str):
            failed[name] = found
        else:
            with write() as session:
                record_speed(session, name, size, found)
        if is_stopped := context.wants() == "stop":
            break
    with write() as session:
        context.complete(session, {"measured": len(names) - len(failed), "failed": failed}, stopped_early=is_stopped)


def _measure_in_child(
    context: RunContext, name: str, size: int, threads: int, *, progress: tuple[int, int, str]
) -> Measured | str:
    """What the child measured, or why it did not. Raises RunCancelled and LostLease, and the child ends."""
    arguments = [sys.executable, "-P", "-W", "ignore", "-m", "worker.learning.speed", name, str(size), str(threads)]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as complaint:
        child = subprocess.Popen(arguments, stdout=answer, stderr=complaint, env=environment)  # noqa: S603 - our module
        deadline = time.monotonic() + SECONDS_PER_TRUNK
        try:
            while child.poll() is None:
                context.progress(*progress)
                if time.monotonic() > deadline:
                    return f"took more than {SECONDS_PER_TRUNK:.0f} s"
                time.sleep(_PAUSE)
        finally:
            child.kill()
            child.wait()
        if child.returncode != 0:
            return f"ended with status {child.returncode}: {_last_line(complaint)[:300]}"
        try:
            return Measured.model_validate(json.loads(_last_line(answer)))
        except (ValidationError, json.JSONDecodeError):
            return "gave no figures"


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
