"""What pages show of engines: what is pinned for a trunk, and what was tried beside it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.core.shares import Share, wilson
from app.registry.engines import PinRow, TrialRow, pins_of, precision_of, trials_of
from app.registry.queries import newest_versions
from app.registry.schemas import TrunkRef, VersionRef

NAMES = {
    "onnxruntime": "ONNX Runtime",
    "onnxruntime-cuda": "ONNX Runtime, NVIDIA GPU",
    "openvino": "OpenVINO",
}
_NEWEST = 8


@dataclass(frozen=True, slots=True)
class TrialLine:
    """A trial, its engine by the name people know, and the share of the same first answers with its interval."""

    row: TrialRow
    engine: str
    same: Share
    is_pinned: bool


@dataclass(frozen=True, slots=True)
class EngineView:
    """A trunk's engines. Without a pin the plain engine runs it, in `precision`."""

    precision: str
    pins: list[PinRow]
    trials: list[TrialLine]

    @property
    def engine(self) -> str:
        """Of the newest pin, by the name people know."""
        return NAMES.get(self.pins[0].engine, self.pins[0].engine) if self.pins else NAMES["onnxruntime"]


def engine_view(session: Session, trunk_id: int) -> EngineView:
    """What runs a trunk and what was tried for it."""
    pins = pins_of(session, trunk_id)
    pinned = {(pin.machine, pin.engine, pin.precision) for pin in pins}
    lines = [
        TrialLine(
            row,
            NAMES.get(row.engine, row.engine),
            wilson(row.agreement.same, row.agreement.images),
            (row.machine, row.engine, row.precision) in pinned,
        )
        for row in trials_of(session, trunk_id)
    ]
    return EngineView(precision_of(session, trunk_id), pins, lines)


@dataclass(frozen=True, slots=True)
class TrunkInUse:
    """A trunk of the project, the newest version on it, and its engines."""

    trunk: TrunkRef
    version: VersionRef
    engines: EngineView


def trunks_in_use(session: Session, project_id: int) -> list[TrunkInUse]:
    """The trunks of the newest versions, each once."""
    newest: dict[int, VersionRef] = {}
    for version in newest_versions(session, project_id, limit=_NEWEST):
        newest.setdefault(version.trunk.id, version)
    return [TrunkInUse(version.trunk, version, engine_view(session, trunk_id)) for trunk_id, version in newest.items()]
