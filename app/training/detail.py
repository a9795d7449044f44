"""What a run knows beyond its curves: each class, images that it gets wrong, its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import Json
from app.datasets.models import SnapshotClass
from app.library.models import Image, ImageState
from app.training.models import EpochDetail, RunLogLine, TrainingRun

MOST_LINES: Final = 200


@dataclass(frozen=True, slots=True)
class ClassProgress:
    """Validation images of a class: how many were seen, how many answered rightly."""

    class_id: int
    name: str
    right: int
    seen: int

    @property
    def share(self) -> float:
        """Right of seen, 0 to 1."""
        return self.right / self.seen if self.seen else 0.0


@dataclass(frozen=True, slots=True)
class Mistake:
    """An image that the run answered wrongly and was sure of."""

    image_id: int
    rotation: int
    true_name: str
    answered_name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line of a run's log."""

    at: datetime
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class RunDetail:
    """All of it: `epoch` is the epoch that classes and mistakes are of, None before the first."""

    epoch: int | None
    classes: tuple[ClassProgress, ...]
    """The worst first; among equals the one with more images."""
    mistakes: tuple[Mistake, ...]
    log: tuple[LogEntry, ...]
    """The newest first, at most MOST_LINES."""

    def to_public(self) -> Json:
        """For the JSON API."""
        return {
            "epoch": self.epoch,
            "classes": [
                {"class_id": each.class_id, "name": each.name, "right": each.right, "seen": each.seen}
                for each in self.classes
            ],
            "mistakes": [
                {
                    "image_id": each.image_id,
                    "true": each.true_name,
                    "answered": each.answered_name,
                    "confidence": each.confidence,
                }
                for each in self.mistakes
            ],
            "log": [{"at": line.at.isoformat(), "level": line.level, "text": line.text} for line in self.log],
        }


def run_detail(session: Session, run_id: int, *, epoch: int | None = None) -> RunDetail:
    """What the run knows after `epoch`, or after its newest where that one kept no detail."""
    of_run = select(EpochDetail).where(EpochDetail.run_id == run_id).order_by(EpochDetail.number.desc())
    kept = {each.number: each for each in session.scalars(of_run)}
    detail = kept.get(epoch or 0) or next(iter(kept.values()), None)
    log = _log(session, run_id)
    if detail is None:
        return RunDetail(None, (), (), log)
    names = _class_names(session, run_id)
    classes = [ClassProgress(row[0], names.get(row[0], f"class {row[0]}"), row[1], row[2]) for row in detail.per_class]
    return RunDetail(
        epoch=detail.number,
        classes=tuple(sorted(classes, key=lambda each: (each.share, -each.seen, each.name))),
        mistakes=_mistakes(session, detail.mistakes, names),
        log=log,
    )


def _class_names(session: Session, run_id: int) -> dict[int, str]:
    """Names as the run's snapshot saw them."""
    rows = session.execute(
        select(SnapshotClass.class_id, SnapshotClass.name)
        .join(TrainingRun, TrainingRun.snapshot_id == SnapshotClass.snapshot_id)
        .where(TrainingRun.run_id == run_id)
    )
    return dict(rows.all())


def _mistakes(session: Session, rows: Sequence[Sequence[float]], names: dict[int, str]) -> tuple[Mistake, ...]:
    """Those whose image is still there."""
    ids = [int(row[0]) for row in rows]
    there = select(Image.id, Image.rotation).where(Image.id.in_(ids), Image.state != ImageState.REMOVED)
    rotations = dict(session.execute(there).all())
    found = ((int(row[0]), int(row[1]), int(row[2]), float(row[3])) for row in rows)
    return tuple(
        Mistake(image_id, rotations[image_id], names.get(true, "?"), names.get(answered, "?"), confidence)
        for image_id, true, answered, confidence in found
        if image_id in rotations
    )


def _log(session: Session, run_id: int) -> tuple[LogEntry, ...]:
    lines = session.scalars(
        select(RunLogLine).where(RunLogLine.run_id == run_id).order_by(RunLogLine.id.desc()).limit(MOST_LINES)
    )
    return tuple(LogEntry(line.at, line.level, line.text) for line in lines)
