"""All that the page of reports shows, read in one session, and each of its tables by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.clock import now
from app.core.shares import Share
from app.promotion.models import GateReport
from app.registry.models import Deployment, ModelVersion
from app.reports.accuracy import Accuracy, accuracy, graded_answers
from app.reports.schemas import Cell, Column, ReportFilter, ReportTable
from app.reports.usage import Mix, Usage, usage

MOST_DEPLOYMENTS: Final = 100
DECISIONS: Final = {"answered": "single answers", "choices": "lists of choices", "unable": "refusals"}


@dataclass(frozen=True, slots=True)
class DeploymentLine:
    """A time that a version was in production; `ended_at` None: it still is. `verdict` is that of the gate."""

    version_number: int
    act: str
    started_at: datetime
    ended_at: datetime | None
    by: str | None
    reason: str
    override_reason: str | None
    verdict: str | None
    upper: float
    lower: float

    @property
    def seconds(self) -> float:
        """How long it has served."""
        return ((self.ended_at or now()) - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Figures:
    """A report."""

    usage: Usage
    accuracy: Accuracy
    deployments: Sequence[DeploymentLine]


def deployments(session: Session, project_id: int) -> list[DeploymentLine]:
    """What was in production over time, newest first."""
    query = (
        select(Deployment, ModelVersion.number, User.name, GateReport.verdict)
        .join(ModelVersion, ModelVersion.id == Deployment.version_id)
        .outerjoin(User, User.id == Deployment.user_id)
        .outerjoin(GateReport, GateReport.id == Deployment.gate_report_id)
        .where(Deployment.project_id == project_id)
        .order_by(Deployment.id.desc())
        .limit(MOST_DEPLOYMENTS)
    )
    return [
        DeploymentLine(
            version_number=number,
            act=deployment.act,
            started_at=deployment.created_at,
            ended_at=deployment.ended_at,
            by=by,
            reason=deployment.reason,
            override_reason=deployment.override_reason,
            verdict=verdict,
            upper=deployment.upper_threshold,
            lower=deployment.lower_threshold,
        )
        for deployment, number, by, verdict in session.execute(query)
    ]


def figures(session: Session, project_id: int, chosen: ReportFilter) -> Figures:
    """Read and reckon everything for a filter."""
    answers = graded_answers(session, project_id, chosen.period, chosen.version)
    return Figures(
        usage=usage(session, project_id, chosen.period, chosen.version),
        accuracy=accuracy(answers, chosen.period),
        deployments=deployments(session, project_id),
    )


_MIX: Final = (
    Column("Requests", "count"),
    Column("Answered", "count"),
    Column("Choices", "count"),
    Column("Unable", "count"),
)
_SHARE: Final = (Column("Right", "share"),)


def _mix_cells(mix: Mix) -> tuple[Cell, ...]:
    return (mix.requests, mix.answered, mix.choices, mix.unable)


def _days(report: Figures) -> ReportTable:
    columns = (Column("Day"), *_MIX, Column("Median latency", "ms"), Column("95th percentile", "ms"))
    rows = [(day, *_mix_cells(mix), latency.p50, latency.p95) for day, mix, latency in report.usage.by_day]
    return ReportTable("days", "Requests by day", columns, rows)


def _clients(report: Figures) -> ReportTable:
    rows = [(client, *_mix_cells(mix)) for client, mix in report.usage.by_client]
    return ReportTable("clients", "Requests by client", (Column("Client"), *_MIX), rows)


def _versions(report: Figures) -> ReportTable:
    right = dict(report.accuracy.by_version)
    rows = [(f"v{number}", *_mix_cells(mix), right.get(number)) for number, mix in report.usage.by_version]
    return ReportTable("versions", "By model version", (Column("Version"), *_MIX, *_SHARE), rows)


def _decisions(report: Figures) -> ReportTable:
    rows = [(DECISIONS[decision], share) for decision, share in report.accuracy.by_decision]
    return ReportTable("decisions", "Right answers by decision", (Column("Decision"), *_SHARE), rows)


def _times(report: Figures) -> ReportTable:
    columns = (Column("From"), Column("To"), *_SHARE)
    return ReportTable("accuracy", "Right answers over time", columns, report.accuracy.over_time)


def _confidences(report: Figures) -> ReportTable:
    columns = (Column("Confidence"), Column("Mean", "figure"), Column("Best class true", "share"))
    rows = [(f"{one.low:.1f} to {one.high:.1f}", one.confidence, one.share) for one in report.accuracy.by_confidence]
    return ReportTable("confidence", "Best class by confidence", columns, rows)


def _classes(report: Figures) -> ReportTable:
    rows = [(name, share) for name, share in report.accuracy.by_class]
    return ReportTable("classes", "Right answers by class, worst first", (Column("Answered class"), *_SHARE), rows)


def _production(report: Figures) -> ReportTable:
    columns = (
        *(Column("Version"), Column("Act"), Column("From"), Column("To"), Column("By"), Column("Reason")),
        *(Column("Gate"), Column("Override"), Column("Upper", "figure"), Column("Lower", "figure")),
    )
    rows = [
        (
            *(f"v{one.version_number}", one.act, one.started_at, one.ended_at, one.by, one.reason),
            *(one.verdict, one.override_reason, one.upper, one.lower),
        )
        for one in report.deployments
    ]
    return ReportTable("production", "In production over time", columns, rows)


TABLES: Final[dict[str, Callable[[Figures], ReportTable]]] = {
    "days": _days,
    "clients": _clients,
    "versions": _versions,
    "decisions": _decisions,
    "accuracy": _times,
    "confidence": _confidences,
    "classes": _classes,
    "production": _production,
}


def as_rows(table: ReportTable) -> list[list[str]]:
    """A table as text for CSV: a share becomes value, bounds of its interval, hits and total."""
    heading: list[str] = []
    for column in table.columns:
        parts = ("", " low", " high", " hits", " total") if column.kind == "share" else ("",)
        heading += [f"{column.word}{part}" for part in parts]
    return [
        heading,
        *(
            [text for cell, column in zip(row, table.columns, strict=True) for text in _texts(cell, column)]
            for row in table.rows
        ),
    ]


def _texts(cell: Cell, column: Column) -> list[str]:
    if column.kind == "share":
        if not isinstance(cell, Share):
            return [""] * 5
        return [*(f"{part:.4f}" for part in (cell.value, cell.low, cell.high)), str(cell.hits), str(cell.total)]
    if isinstance(cell, datetime):
        return [cell.isoformat(timespec="seconds")]
    return ["" if cell is None else str(cell)]
