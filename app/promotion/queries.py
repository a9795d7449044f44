"""Reading what the version pages show: the list, a version's card, the history of production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.database import Json
from app.core.shares import Share, wilson
from app.datasets.queries import get_snapshot
from app.evaluation.models import Evaluation
from app.projects.models import Project
from app.projects.schemas import CHARTER
from app.promotion.comparison import Proposal, gate_sets, proposed_thresholds
from app.promotion.models import GateReport
from app.registry.models import Deployment, ModelVersion, VersionClass
from app.registry.queries import newest_versions, production, version_by_number
from app.registry.schemas import Production, VersionRef
from app.registry.trunks import TRUNKS
from app.training.compression import COMPRESSED_TITLES
from app.training.queries import training_run
from app.training.schemas import START_TITLES

_TITLES = {**START_TITLES, **COMPRESSED_TITLES}


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version as the list shows it; a share is None where it was not measured."""

    version: VersionRef
    made_by: str
    classes: int
    parent_number: int | None
    test: Share | None
    benchmark: Share | None
    benchmark_sets: int
    is_production: bool


@dataclass(frozen=True, slots=True)
class DeploymentLine:
    """One move of the production pointer, with the gate's report that it rests on."""

    id: int
    number: int
    act: str
    reason: str
    override_reason: str | None
    by: str | None
    created_at: datetime
    ended_at: datetime | None
    is_active: bool
    upper: float
    lower: float
    verdict: str | None
    findings: Sequence[Json]


@dataclass(frozen=True, slots=True)
class VersionCard:
    """What a version is made of and for. `charter` holds (question, answer); `splits` images by split."""

    made_by: str
    charter: Sequence[tuple[str, str]]
    lineage: Json
    parent_number: int | None
    children: Sequence[int]
    splits: Json
    lower_cutoff: int
    upper_cutoff: int
    settings: Json
    environment: Json
    parity: Json
    thresholds: Proposal | None


def made_by(version: VersionRef) -> str:
    """How a version came about: "Head only on EfficientNet-Lite0, 224 px"."""
    kind = TRUNKS.get(version.trunk.architecture)
    trunk = kind.title if kind else version.trunk.architecture
    return f"{_TITLES.get(version.start, version.start)} on {trunk}, {version.trunk.input_size} px"


def numbers_of(session: Session, version_ids: Sequence[int]) -> dict[int, int]:
    """Version numbers by id."""
    rows = session.execute(select(ModelVersion.id, ModelVersion.number).where(ModelVersion.id.in_(version_ids)))
    return {row.id: row.number for row in rows}


def version_lines(
    session: Session, project_id: int, *, before: int | None = None, limit: int = 50
) -> list[VersionLine]:
    """Versions of a project, the newest first; `before` is a version number, for the next page."""
    versions = newest_versions(session, project_id, before=before, limit=limit)
    ids = [each.id for each in versions]
    serving = production(session, project_id)
    parents = numbers_of(session, [each.parent_id for each in versions if each.parent_id is not None])
    classes = dict(
        session.execute(
            select(VersionClass.version_id, func.count())
            .where(VersionClass.version_id.in_(ids))
            .group_by(VersionClass.version_id)
        ).all()
    )
    sets = {f"benchmark:{each.id}" for each in gate_sets(session, project_id)}
    measured: dict[int, dict[str, Json]] = {}
    rows = session.execute(
        select(Evaluation.version_id, Evaluation.subset, Evaluation.figures).where(
            Evaluation.version_id.in_(ids), Evaluation.is_current, Evaluation.subset.in_(["test", *sets])
        )
    )
    for version_id, subset, figures in rows:
        if figures["accuracy"]:
            measured.setdefault(version_id, {})[subset] = figures["accuracy"]
    return [
        VersionLine(
            version=each,
            made_by=made_by(each),
            classes=classes.get(each.id, 0),
            parent_number=parents.get(each.parent_id or 0),
            test=_pooled(measured.get(each.id, {}), {"test"}),
            benchmark=_pooled(measured.get(each.id, {}), sets),
            benchmark_sets=len(sets & measured.get(each.id, {}).keys()),
            is_production=serving is not None and serving.version_id == each.id,
        )
        for each in versions
    ]


def version_line(session: Session, project_id: int, number: int) -> VersionLine:
    """One version as the list shows it. Raises NotFound."""
    version = version_by_number(session, project_id, number)
    return version_lines(session, project_id, before=version.number + 1, limit=1)[0]


def _pooled(accuracies: dict[str, Json], subsets: set[str]) -> Share | None:
    found = [share for name, share in accuracies.items() if name in subsets]
    total = sum(share["total"] for share in found)
    return wilson(sum(share["hits"] for share in found), total) if total else None


def deployment_lines(
    session: Session, project_id: int, *, before: int | None = None, limit: int = 50
) -> list[DeploymentLine]:
    """Every move of the production pointer, the newest first; `before` is a deployment's id, for the next page."""
    query = (
        select(Deployment, ModelVersion.number, User.name, GateReport.verdict, GateReport.rules)
        .join(ModelVersion, ModelVersion.id == Deployment.version_id)
        .outerjoin(User, User.id == Deployment.user_id)
        .outerjoin(GateReport, GateReport.id == Deployment.gate_report_id)
        .where(Deployment.project_id == project_id)
    )
    if before is not None:
        query = query.where(Deployment.id < before)
    return [
        DeploymentLine(
            id=row.id,
            number=number,
            act=row.act,
            reason=row.reason,
            override_reason=row.override_reason,
            by=by,
            created_at=row.created_at,
            ended_at=row.ended_at,
            is_active=row.is_active,
            upper=row.upper_threshold,
            lower=row.lower_threshold,
            verdict=verdict,
            findings=rules["findings"] if rules else (),
        )
        for row, number, by, verdict, rules in session.execute(query.order_by(Deployment.id.desc()).limit(limit))
    ]


def version_card(session: Session, version: VersionRef) -> VersionCard:
    """Charter, lineage, data, configuration, environment, parity and thresholds of a version."""
    row = session.get_one(ModelVersion, version.id)
    project = session.get_one(Project, version.project_id)
    snapshot = get_snapshot(session, version.snapshot_id, version.project_id)
    trained = training_run(session, version.run_id)
    children = session.scalars(
        select(ModelVersion.number).where(ModelVersion.parent_id == version.id).order_by(ModelVersion.number)
    ).all()
    parents = numbers_of(session, [version.parent_id] if version.parent_id is not None else [])
    return VersionCard(
        made_by=made_by(version),
        charter=[(each.asks, getattr(project, each.field)) for each in CHARTER],
        lineage=row.lineage,
        parent_number=parents.get(version.parent_id or 0),
        children=children,
        splits=snapshot.summary.get("images", {}),
        lower_cutoff=snapshot.lower_cutoff,
        upper_cutoff=snapshot.upper_cutoff,
        settings=row.card.get("settings", {}),
        environment=trained.environment if trained else {},
        parity=row.card.get("parity", {}),
        thresholds=proposed_thresholds(session, version.id),
    )


def other_to_compare(session: Session, version: VersionRef, serving: Production | None) -> int | None:
    """The number of the version to compare with unasked: production, else the parent, else the one before."""
    if serving is not None and serving.version_id != version.id:
        return serving.number
    if version.parent_id is not None:
        return numbers_of(session, [version.parent_id]).get(version.parent_id)
    before = newest_versions(session, version.project_id, before=version.number, limit=1)
    return before[0].number if before else None
