"""Which engine runs a trunk: measured on each kind of machine, checked against the trained network, then pinned.

A trunk's precision is settled once, by the run that made it; embeddings, figures and answers of a version are then all
in that precision, on every machine. What a machine pins beside it (engine, threads, batch) may be measured again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, insert_into
from app.core.errors import Unavailable
from app.core.settings import get_settings
from app.inference.plans import EngineName, EnginePlan, Precision, default_plan, engine_release, machine_name, runs_here
from app.inference.trials import Agreement, Trial, fastest
from app.registry.engine_models import EnginePin, EngineTrial, TrunkPrecision
from app.registry.models import ModelVersion
from app.runs.service import request_run

KIND: Final = "registry.measure_engines"


@dataclass(frozen=True, slots=True)
class PinRow:
    """A pin as pages show it. `agreement` is a share of `images`, 0..1."""

    machine: str
    engine: str
    release: str
    precision: str
    streams: int
    threads: int
    batch: int
    images_per_s: float
    images: int
    agreement: float
    pinned_at: datetime


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial as pages show it."""

    machine: str
    engine: str
    precision: str
    streams: int
    threads: int
    batch: int
    images_per_s: float
    agreement: Agreement
    refused: str


def precision_of(session: Session, trunk_id: int) -> Precision:
    """What a trunk's embeddings are computed in."""
    settled = session.scalar(select(TrunkPrecision.precision).where(TrunkPrecision.trunk_id == trunk_id))
    return Precision(settled) if settled else Precision.FLOAT32


def plan_for(session: Session, trunk_id: int) -> EnginePlan:
    """How this machine runs a trunk: as pinned, else by the usual engine of its precision.

    Raises Unavailable where this machine cannot compute in the trunk's precision: another would be silently mixed in.
    """
    threads = get_settings().inference_threads
    query = select(EnginePin).where(EnginePin.trunk_id == trunk_id, EnginePin.machine == machine_name())
    pin = session.scalars(query).one_or_none()
    precision = precision_of(session, trunk_id)
    plan = default_plan(precision, threads)
    if pin is not None and runs_here(EngineName(pin.engine), precision):
        plan = EnginePlan(EngineName(pin.engine), precision, pin.streams, pin.threads, pin.batch).within(threads)
    if not runs_here(plan.engine, plan.precision):
        raise Unavailable(
            f"this trunk's embeddings are computed in {precision}, which this machine ({machine_name()}) cannot do;"
            " WINNOW_INFERENCE_PRECISION=float32 keeps versions to come from that",
            code="precision_unavailable",
        )
    return plan


def precision_to_be(session: Session, trunk_id: int) -> Precision | None:
    """The precision that a trunk must have; None where the fastest that may be used decides.

    A trunk that a version uses stays as it is: its embeddings and figures are there.
    """
    settled = session.scalar(select(TrunkPrecision.precision).where(TrunkPrecision.trunk_id == trunk_id))
    if settled is not None:
        return Precision(settled)
    is_open = get_settings().inference_precision == "measured" and not _is_used(session, trunk_id)
    return None if is_open else Precision.FLOAT32


def is_pinned_here(session: Session, trunk_id: int) -> bool:
    """Whether an engine has been chosen for a trunk on machines of this kind."""
    query = select(EnginePin.trunk_id).where(EnginePin.trunk_id == trunk_id, EnginePin.machine == machine_name())
    return session.scalar(query) is not None


def settle_engines(session: Session, trunk_id: int, trials: list[Trial]) -> EnginePlan:
    """Keep what was tried here and pin the fastest that may be used. The first to do so settles the trunk's precision.

    Raises EngineError where no engine may run it.
    """
    settled = precision_to_be(session, trunk_id) or fastest(trials).plan.precision
    row = {"trunk_id": trunk_id, "precision": settled, "settled_at": now()}
    session.connection().execute(insert_into(session, TrunkPrecision).on_conflict_do_nothing(), [row])
    chosen = fastest(trials, precision=precision_of(session, trunk_id))
    _keep_pin(session, trunk_id, chosen)
    _keep_trials(session, trunk_id, trials)
    return chosen.plan


def _is_used(session: Session, trunk_id: int) -> bool:
    return session.scalar(select(ModelVersion.id).where(ModelVersion.trunk_id == trunk_id).limit(1)) is not None


def _keep_pin(session: Session, trunk_id: int, chosen: Trial) -> None:
    row = _plan_columns(chosen) | {
        "trunk_id": trunk_id,
        "machine": machine_name(),
        "release": engine_release(chosen.plan.engine),
        "images": chosen.agreement.images,
        "agreement": chosen.agreement.share,
        "pinned_at": now(),
    }
    statement = insert_into(session, EnginePin)
    fresh = {name: statement.excluded[name] for name in row if name not in ("trunk_id", "machine")}
    upsert = statement.on_conflict_do_update(index_elements=["trunk_id", "machine"], set_=fresh)
    session.connection().execute(upsert, [row])


def _keep_trials(session: Session, trunk_id: int, trials: list[Trial]) -> None:
    """The fastest of each engine and precision; those of an earlier measuring go."""
    best: dict[tuple[str, str], Trial] = {}
    for each in trials:
        key = (each.plan.engine, each.plan.precision)
        if key not in best or each.images_per_s > best[key].images_per_s:
            best[key] = each
    session.execute(delete(EngineTrial).where(EngineTrial.trunk_id == trunk_id, EngineTrial.machine == machine_name()))
    rows = [
        _plan_columns(each)
        | {
            "trunk_id": trunk_id,
            "machine": machine_name(),
            "images": each.agreement.images,
            "same": each.agreement.same,
            "sure": each.agreement.sure,
            "sure_same": each.agreement.sure_same,
            "largest_difference": each.agreement.largest_difference,
            "refused": each.refused,
            "measured_at": now(),
        }
        for each in best.values()
    ]
    session.execute(insert(EngineTrial), rows)


def _plan_columns(trial: Trial) -> Json:
    plan = trial.plan
    return {
        "engine": plan.engine,
        "precision": plan.precision,
        "streams": plan.streams,
        "threads": plan.threads,
        "batch": plan.batch,
        "images_per_s": trial.images_per_s,
    }


def pins_of(session: Session, trunk_id: int) -> list[PinRow]:
    """What each kind of machine has pinned for a trunk, the newest first."""
    query = select(EnginePin).where(EnginePin.trunk_id == trunk_id).order_by(EnginePin.pinned_at.desc())
    return [PinRow(**{name: getattr(row, name) for name in PinRow.__slots__}) for row in session.scalars(query)]


def newest_pins(session: Session, trunk_ids: list[int]) -> dict[int, PinRow]:
    """The last pin of each of a few trunks, by trunk."""
    return {trunk_id: pins[0] for trunk_id in trunk_ids if (pins := pins_of(session, trunk_id))}


def trials_of(session: Session, trunk_id: int) -> list[TrialRow]:
    """What was last tried for a trunk on each kind of machine, the fastest first."""
    query = select(EngineTrial).where(EngineTrial.trunk_id == trunk_id)
    return [
        TrialRow(
            machine=row.machine,
            engine=row.engine,
            precision=row.precision,
            streams=row.streams,
            threads=row.threads,
            batch=row.batch,
            images_per_s=row.images_per_s,
            agreement=Agreement(row.images, row.sure, row.same, row.sure_same, row.largest_difference),
            refused=row.refused,
        )
        for row in session.scalars(query.order_by(EngineTrial.machine, EngineTrial.images_per_s.desc()))
    ]


def request_engines(session: Session, *, project_id: int, version_id: int, number: int, user_id: int | None) -> int:
    """Measure a version's engines again, on whichever machine's trainer takes the run; its id."""
    return request_run(
        session,
        project_id=project_id,
        kind=KIND,
        title=f"Measure the engines of version {number}",
        parameters={"version_id": version_id},
        created_by=user_id,
        coalesce_key=f"{KIND}:{version_id}",
    )
