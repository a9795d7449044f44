"""What promotion takes and gives: forms, the API's bodies and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Deployment = Annotated[int, Field(ge=1, le=2**62)]
ClassOrder = Literal["name", "images", "precision", "recall", "f1"]
Direction = Literal["ascending", "descending"]


class PromoteRequest(BaseModel):
    """Put a version into production. `expected_deployment_id`: what was seen to serve, None for nothing."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    override_reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] | None = None
    expected_deployment_id: Deployment | None = None


class RollBackRequest(BaseModel):
    """Put the version before back into production. `expected_deployment_id`: what was seen to serve."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    expected_deployment_id: Deployment


class ShareOut(BaseModel):
    """A share of images with its 95% interval, all 0 to 1."""

    hits: int
    total: int
    value: float
    low: float
    high: float


class VersionOut(BaseModel):
    """A model version. Accuracies are null where it was not measured."""

    number: int
    state: str
    start: str
    trunk: str
    classes: int
    throwaway: bool
    in_production: bool
    parent: int | None
    run_id: int
    created_at: datetime
    test_accuracy: ShareOut | None
    benchmark_accuracy: ShareOut | None


class SubsetOut(BaseModel):
    """Figures on one set, null where not measured. `exposed`: images left out, as the version learnt from them."""

    subset: str
    name: str
    images: int
    exposed: int
    accuracy: ShareOut | None
    top_3: ShareOut | None
    log_loss: float | None
    ece: float | None
    answered: ShareOut | None
    answered_right: ShareOut | None
    out_of_model: ShareOut | None


class ThresholdsOut(BaseModel):
    """Proposed confidence thresholds, and what they rest on."""

    upper: float
    lower: float
    basis: str


class VersionFiguresOut(VersionOut):
    """A version with its figures."""

    class_names: list[str]
    thresholds: ThresholdsOut | None
    figures: list[SubsetOut]
    not_measured_on: list[str]


class FindingOut(BaseModel):
    """One rule of the gate: its verdict, and the sentence that states the figures."""

    rule: str
    verdict: Literal["passed", "failed", "not_proven"]
    says: str


class GateOut(BaseModel):
    """What the gate says now. `expected_deployment_id` goes with the promotion that follows."""

    number: int
    verdict: Literal["passed", "failed", "not_proven"]
    against: int | None
    findings: list[FindingOut]
    needs_override: bool
    expected_deployment_id: int | None


class ProductionOut(BaseModel):
    """What serves now, after the pointer has moved."""

    deployment_id: int
    number: int
    upper: float
    lower: float
