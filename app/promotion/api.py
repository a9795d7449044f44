"""Model versions over the JSON API: figures, the gate, promote and roll back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.orm import Session

from app.core.database import read, write
from app.core.errors import NotFound
from app.core.shares import Share
from app.evaluation.queries import subset_lines
from app.evaluation.statistics import share_json
from app.promotion import comparison, queries, service
from app.promotion.schemas import (
    GateOut,
    ProductionOut,
    PromoteRequest,
    RollBackRequest,
    SubsetOut,
    ThresholdsOut,
    VersionFiguresOut,
    VersionOut,
)
from app.registry.queries import production, version_by_number, version_classes
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/api/v1/projects/{slug}", tags=["models"])
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
Number = Annotated[int, Path(ge=1, le=2**62, description="The version's number.")]
Before = Annotated[int | None, Query(ge=1, le=2**62, description="Only versions older than this number.")]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("/models")
def list_versions(access: Viewer, before: Before = None, limit: Limit = 50) -> list[VersionOut]:
    """Model versions, the newest first."""
    with read() as session:
        lines = queries.version_lines(session, access.project.id, before=before, limit=limit)
    return [VersionOut(**_version(line)) for line in lines]


def _version(line: queries.VersionLine) -> dict[str, Any]:
    version = line.version
    return {
        "number": version.number,
        "state": version.state,
        "start": version.start,
        "trunk": version.trunk.architecture,
        "classes": line.classes,
        "throwaway": version.throwaway,
        "in_production": line.is_production,
        "parent": line.parent_number,
        "run_id": version.run_id,
        "created_at": version.created_at,
        "test_accuracy": _share(line.test),
        "benchmark_accuracy": _share(line.benchmark),
    }


def _share(share: Share | None) -> Any:
    return share_json(share.hits, share.total) if share else None


@router.get("/models/{number}")
def get_version(access: Viewer, number: Number) -> VersionFiguresOut:
    """A version with its figures by set."""
    with read() as session:
        line = queries.version_line(session, access.project.id, number)
        proposal = comparison.proposed_thresholds(session, line.version.id)
        return VersionFiguresOut(
            **_version(line),
            class_names=[entry.name for entry in version_classes(session, line.version.id)],
            thresholds=ThresholdsOut(**asdict(proposal)) if proposal else None,
            figures=[
                SubsetOut.model_validate(
                    {
                        **each.evaluation.figures,
                        "subset": each.evaluation.subset,
                        "name": each.name,
                        "images": each.evaluation.images,
                        "exposed": each.evaluation.exposed,
                    }
                )
                for each in subset_lines(session, line.version)
            ],
            not_measured_on=comparison.unmeasured_sets(session, access.project.id, line.version.id),
        )


@router.get("/models/{number}/gate")
def get_gate(access: Viewer, number: Number) -> GateOut:
    """What the gate says of a version now."""
    with read() as session:
        version = version_by_number(session, access.project.id, number)
        judged = service.gate(session, version.id, access.project.id)
        serving = production(session, access.project.id)
    return GateOut.model_validate(
        {
            "number": number,
            "verdict": judged.verdict,
            "against": serving.number if serving and judged.production_id else None,
            "findings": judged.as_json(),
            "needs_override": service.needs_override(judged, version),
            "expected_deployment_id": serving.deployment_id if serving else None,
        }
    )


@router.post("/models/{number}/promote")
def promote(access: Engineer, number: Number, sent: PromoteRequest) -> ProductionOut:
    """Put a version into production. A gate that is not passed needs `override_reason`, by an administrator."""
    with write() as session:
        version = version_by_number(session, access.project.id, number)
        service.promote(
            session,
            project_id=access.project.id,
            version_id=version.id,
            user_id=access.user_id,
            role=access.role,
            **sent.model_dump(),
        )
        return _now(session, access.project.id)


@router.post("/rollback")
def roll_back(access: Engineer, sent: RollBackRequest) -> ProductionOut:
    """Put the version before back into production, with its thresholds."""
    with write() as session:
        service.roll_back(
            session, project_id=access.project.id, user_id=access.user_id, role=access.role, **sent.model_dump()
        )
        return _now(session, access.project.id)


def _now(session: Session, project_id: int) -> ProductionOut:
    serving = production(session, project_id)
    if serving is None:
        raise NotFound("nothing is in production")
    return ProductionOut(
        deployment_id=serving.deployment_id, number=serving.number, upper=serving.upper, lower=serving.lower
    )
