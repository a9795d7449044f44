"""Asking for a training run: checked, frozen to a snapshot, recorded whole, and never repeated unasked."""

from __future__ import annotations

import hashlib
import json
import platform
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.core.database import Json, read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.settings import ROOT
from app.datasets.models import Snapshot
from app.datasets.queries import get_snapshot
from app.datasets.schemas import TRAIN, SnapshotPlan
from app.datasets.service import freeze, make_plan
from app.imaging.model_input import PREPROCESSING_VERSION
from app.projects.models import Project
from app.registry.queries import get_version
from app.registry.schemas import VersionRef
from app.registry.trunks import DEFAULT_TRUNK, TRUNKS
from app.runs.models import Run, RunState
from app.runs.service import request_run
from app.training.compression import FULL_PRECISION
from app.training.ends import await_end
from app.training.models import TrainingRun
from app.training.schemas import START_TITLES, TrainingRequest, throwaway_lower

KIND = "training.train"
FEWEST_CLASSES = 2
_PACKAGES = ("keras", "tensorflow-cpu", "tensorflow", "numpy", "onnxruntime", "pillow", "winnow")


def start_training(request: TrainingRequest) -> int:
    """As `request_training`, with its own sessions: the snapshot is worked out before the write begins."""
    with read() as session:
        plan = plan_for(session, request)
    with write() as session:
        run_id = request_training(session, request, plan=plan)
        if request.created_by is not None:
            await_end(session, run_id, user_id=request.created_by)
        return run_id


def plan_for(session: Session, request: TrainingRequest) -> SnapshotPlan | None:
    """Checks a request and works its snapshot out, writing nothing; None where it names one.

    Raises as `request_training`.
    """
    _resolve(session, request)
    return None if request.snapshot_id else _plan(session, request)


def freeze_snapshot(session: Session, request: TrainingRequest, plan: SnapshotPlan | None = None) -> Snapshot:
    """The snapshot of a request: the one it names, or today's. Needs a write session."""
    if request.snapshot_id is not None:
        return get_snapshot(session, request.snapshot_id, request.project_id)
    lower, upper = cutoffs(request, _project(session, request.project_id))
    return freeze(
        session,
        project_id=request.project_id,
        lower=lower,
        upper=upper,
        include_small=request.include_small,
        seed=request.seed,
        view_id=request.view_id,
        user_id=request.created_by,
        plan=plan or _plan(session, request),
    )


def request_training(
    session: Session, request: TrainingRequest, *, plan: SnapshotPlan | None = None, is_evaluated: bool = True
) -> int:
    """Freezes the snapshot and queues the run; returns its id. Needs a write session.

    Raises InvalidInput (too few classes, a start without what it needs), NotFound (parent), and Conflict with the
    run's id in `detail["run_id"]` when an identical run has finished or is under way, unless `again` is asked for.
    """
    parent, trunk, input_size = _resolve(session, request)
    project = _project(session, request.project_id)
    snapshot = freeze_snapshot(session, request, plan)
    fit = _fit_arguments(request, trunk, input_size)
    teaching = _teaching(session, request)
    fingerprint = _fingerprint(snapshot, {**fit, **teaching}, parent, request.purpose)
    if not request.again:
        _refuse_identical(session, request.project_id, fingerprint)
    throwaway = request.purpose == "throwaway"
    run_id = request_run(
        session,
        project_id=request.project_id,
        kind=KIND,
        title=_title(request, trunk, snapshot, parent),
        parameters={"snapshot_id": snapshot.id, "start": request.start, "trunk": trunk, "input_size": input_size},
        created_by=request.created_by,
        throwaway=throwaway,
        fingerprint=fingerprint,
        follow_ups=_follow_ups(then_identify=throwaway or request.then_identify) if is_evaluated else [],
    )
    session.execute(
        insert(TrainingRun),
        {
            "run_id": run_id,
            "snapshot_id": snapshot.id,
            "parent_version_id": parent.id if parent else None,
            "start": request.start,
            "trunk": trunk,
            "input_size": input_size,
            "config": {
                "fit": fit,
                "lower": snapshot.lower_cutoff,
                "upper": snapshot.upper_cutoff,
                "normal_lower": project.lower_cutoff,
                **request.model_dump(include={"purpose", "then_identify", "view_id"}),
                **teaching,
                "include_small": snapshot.include_small,
            },
            "environment": {"code_version": code_version(), **_package_versions()},
        },
    )
    return run_id


def _fit_arguments(request: TrainingRequest, trunk: str, input_size: int) -> Json:
    """What the training loop is called with."""
    origin = {"trunk": trunk, "input_size": input_size, "start": request.start, "seed": request.seed}
    return {**origin, **request.settings().model_dump(mode="json")}


def cutoffs(request: TrainingRequest, project: Project) -> tuple[int, int]:
    """Lower and upper cutoff of a request: as given, else the project's, lowered for a throw-away run."""
    lower = request.lower
    if lower is None:
        lower = throwaway_lower(project.lower_cutoff) if request.purpose == "throwaway" else project.lower_cutoff
    return lower, request.upper if request.upper is not None else max(project.upper_cutoff, lower)


@lru_cache(maxsize=1)
def code_version() -> str:
    """Digest of the code that decides what a run learns: the training engine and the model input; 12 hex digits."""
    files = [*sorted((ROOT / "worker" / "learning").rglob("*.py")), *_imaging_files()]
    digest = hashlib.sha256(PREPROCESSING_VERSION.encode())
    for path in files:
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _imaging_files() -> list[Path]:
    return [ROOT / "app" / "imaging" / name for name in ("model_input.py", "decode.py")]


def _package_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _project(session: Session, project_id: int) -> Project:
    project = session.get(Project, project_id)
    if project is None:
        raise NotFound(f"no project {project_id}")
    return project


def _plan(session: Session, request: TrainingRequest) -> SnapshotPlan:
    lower, upper = cutoffs(request, _project(session, request.project_id))
    plan = make_plan(
        session,
        project_id=request.project_id,
        lower=lower,
        upper=upper,
        include_small=request.include_small,
        seed=request.seed,
        view_id=request.view_id,
    )
    included = plan.preview.included
    if len(included) < FEWEST_CLASSES:
        names = ", ".join(each.name for each in included) or "none"
        raise InvalidInput(
            f"A classifier needs at least {FEWEST_CLASSES} classes with {lower} usable images or more;"
            f" there are {len(included)} ({names}). Label more images or lower the cutoff.",
            code="too_few_classes",
        )
    if empty := [each.name for each in included if not each.taken[TRAIN]]:
        raise InvalidInput(
            f"Every class needs a training image; all images of {', '.join(empty)} belong to groups that measure.",
            code="class_without_training",
        )
    return plan


def _resolve(session: Session, request: TrainingRequest) -> tuple[VersionRef | None, str, int]:
    """Parent, trunk and input size of a request. Raises InvalidInput and NotFound."""
    parent = None
    if request.parent_version_id is not None:
        parent = get_version(session, request.parent_version_id, request.project_id)
        _check_parent(request, parent)
    elif request.start == "warm":
        raise InvalidInput("A warm start needs an earlier version as its parent; none was given.", code="no_parent")
    trunk = request.trunk or (parent.trunk.architecture if parent else DEFAULT_TRUNK)
    if trunk not in TRUNKS:
        raise InvalidInput(f"A trunk is one of {', '.join(TRUNKS)}; received {trunk!r}.")
    kind = TRUNKS[trunk]
    input_size = request.input_size or (parent.trunk.input_size if parent else kind.default_input_size)
    if parent is not None:
        _check_fit(request, parent, trunk, input_size)
    elif request.start in {"pretrained", "head_only"} and kind.pretrained == "none":
        raise InvalidInput(
            f"{kind.title} has no pretrained weights: start it from scratch, or from an earlier version.",
            code="no_pretrained_weights",
        )
    if input_size not in kind.allowed_input_sizes:
        sizes = ", ".join(map(str, kind.allowed_input_sizes))
        raise InvalidInput(f"The input size of {kind.title} is one of {sizes} pixels; received {input_size}.")
    return parent, trunk, input_size


def _check_parent(request: TrainingRequest, parent: VersionRef) -> None:
    if request.start in {"random", "pretrained"}:
        raise InvalidInput(
            f"A start {START_TITLES[request.start].lower()} has no parent; received version {parent.number}."
            " Choose a warm start or head only."
        )
    if parent.throwaway:
        raise InvalidInput(
            f"Version {parent.number} is a throw-away: it is never a parent. Choose another one.",
            code="throwaway_parent",
        )
    if parent.trunk.precision != FULL_PRECISION:
        raise InvalidInput(
            f"Version {parent.number} is {parent.trunk.precision}: train on from the version that it was made from.",
            code="reduced_parent",
        )


def _teaching(session: Session, request: TrainingRequest) -> Json:
    """What a run with a teacher records of it; empty without one. Raises NotFound, InvalidInput for a throw-away."""
    if request.teacher_version_id is None:
        return {}
    teacher = get_version(session, request.teacher_version_id, request.project_id)
    if teacher.throwaway:
        raise InvalidInput(f"Version {teacher.number} is a throw-away: it never teaches. Choose another one.")
    return {"teacher_version_id": teacher.id, "pool_images": request.pool_images}


def _check_fit(request: TrainingRequest, parent: VersionRef, trunk: str, input_size: int) -> None:
    if trunk != parent.trunk.architecture:
        raise InvalidInput(
            f"A run from version {parent.number} keeps its trunk, {TRUNKS[parent.trunk.architecture].title};"
            f" received {TRUNKS[trunk].title}."
        )
    if request.start == "head_only" and input_size != parent.trunk.input_size:
        raise InvalidInput(
            f"Head only leaves the trunk of version {parent.number} as it is, at {parent.trunk.input_size} pixels;"
            f" received {input_size}."
        )


def _fingerprint(snapshot: Snapshot, fit: Json, parent: VersionRef | None, purpose: str) -> str:
    """Of everything that decides what the run would make."""
    origin = parent.trunk.digest if parent else None
    text = json.dumps([snapshot.fingerprint, fit, origin, purpose, code_version()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_identical(session: Session, project_id: int, fingerprint: str) -> None:
    alike = session.execute(
        select(Run.id, Run.state)
        .where(
            Run.fingerprint == fingerprint,
            Run.project_id == project_id,
            Run.state.in_((RunState.QUEUED, RunState.RUNNING, RunState.SUCCEEDED)),
        )
        .order_by(Run.id.desc())
        .limit(1)
    ).one_or_none()
    if alike is not None:
        how = "has finished" if alike.state == RunState.SUCCEEDED else f"is {alike.state}"
        raise Conflict(
            f"Run {alike.id} of the same images and settings {how}: use it, or train again on purpose.",
            code="identical_run",
            detail={"run_id": alike.id, "state": alike.state},
        )


def _title(request: TrainingRequest, trunk: str, snapshot: Snapshot, parent: VersionRef | None) -> str:
    purpose = "Throw-away, " if request.purpose == "throwaway" else ""
    start = START_TITLES[request.start]
    origin = f"from version {parent.number}" if parent else f"on {TRUNKS[trunk].title}"
    return f"{purpose}{start.lower() if purpose else start} {origin}, {snapshot.classes} classes"


def _follow_ups(*, then_identify: bool) -> list[Json]:
    """Evaluation, and after it, where asked, the identification of the pool."""
    version = {"version_id": "$result.version_id"}
    identify = {
        "kind": "identification.identify",
        "title": "Identify the pool",
        "parameters": {**version, "selection": {"kind": "pool"}},
    }
    return [
        {
            "kind": "evaluation.evaluate",
            "title": "Evaluate the new version",
            "parameters": version,
            "follow_ups": [identify] if then_identify else [],
        }
    ]
