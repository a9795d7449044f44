"""Making a version smaller: what may be asked, what the worker needs for it, and the version that comes of it.

The result is a model version of its own, whose parent is the one it was made from; evaluation and comparison treat it
like any other. An int8 version has no weights to train on from: its parent is the one to train.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.core.database import Json
from app.core.errors import InvalidInput
from app.core.shares import wilson
from app.datasets.queries import manifest
from app.datasets.schemas import Manifest
from app.registry.queries import get_version, version_classes
from app.registry.schemas import ClassEntry, VersionRef
from app.registry.service import register_version
from app.runs.service import request_run

KIND: Final = "training.compress"
FULL_PRECISION: Final = "float32"
COMPRESSED_TITLES: Final[dict[str, str]] = {"int8": "int8", "pruned": "Pruned"}
LEAST_AGREEMENT: Final = 0.99
"""Share of first answers that a reduced precision must keep."""

Method = Literal["int8", "pruned"]


class CompressionRequest(BaseModel):
    """How to make a version smaller. `share` of each kernel's weights is set to zero by pruning."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Method
    share: float = Field(0.3, gt=0, lt=1)


@dataclass(frozen=True)
class CompressionJob:
    """All that the worker needs to know."""

    run_id: int
    project_id: int
    asked: CompressionRequest
    version: VersionRef
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Compressed:
    """What the worker made and measured. Sizes in bytes, speeds in images per second."""

    trunk_id: int
    bytes_before: int
    bytes_after: int
    speed_before: float
    speed_after: float
    images: int
    same: int
    """Images whose first answer is that of the version it was made from."""
    zeros: float | None = None
    """Share of all weights that are zero, where it was pruned."""

    @property
    def agreement(self) -> float:
        """Share of images with the same first answer; 1 without images."""
        return self.same / self.images if self.images else 1.0


def request_compression(
    session: Session, asked: CompressionRequest, *, version: VersionRef, user_id: int | None
) -> int:
    """Queues it; returns the run's id. Needs a write session.

    Raises InvalidInput for a throw-away and for a version whose precision is reduced already.
    """
    if version.throwaway:
        raise InvalidInput(f"Version {version.number} is a throw-away and never a parent: choose another one.")
    if version.trunk.precision != FULL_PRECISION:
        raise InvalidInput(
            f"Only a {FULL_PRECISION} version can be made smaller; version {version.number} is"
            f" {version.trunk.precision}."
        )
    how = "to int8" if asked.method == "int8" else f"by pruning {asked.share:.0%}"
    return request_run(
        session,
        project_id=version.project_id,
        kind=KIND,
        title=f"Make version {version.number} smaller {how}",
        parameters={"version_id": version.id, **asked.model_dump()},
        created_by=user_id,
        follow_ups=[
            {
                "kind": "evaluation.evaluate",
                "title": "Evaluate the smaller version",
                "parameters": {"version_id": "$result.version_id"},
            }
        ],
    )


def load_compression(session: Session, *, run_id: int, project_id: int, parameters: Json) -> CompressionJob:
    """The job of a run. Raises NotFound."""
    version = get_version(session, int(parameters["version_id"]), project_id)
    asked = CompressionRequest(method=parameters["method"], share=parameters["share"])
    return CompressionJob(run_id, project_id, asked, version, manifest(session, version.snapshot_id))


def register_compressed(session: Session, job: CompressionJob, made: Compressed) -> Json:
    """Registers the smaller version and gives the run's result. Call it in the session that completes the run."""
    version = job.version
    kept = wilson(made.same, made.images)
    figures: Json = {
        "method": job.asked.method,
        "from_number": version.number,
        "bytes_before": made.bytes_before,
        "bytes_after": made.bytes_after,
        "speed_before": made.speed_before,
        "speed_after": made.speed_after,
        "images": made.images,
        "agreement": made.agreement,
        "agreement_low": kept.low,
        "agreement_high": kept.high,
        "zeros": made.zeros,
    }
    version_id, number = register_version(
        session,
        project_id=job.project_id,
        run_id=job.run_id,
        throwaway=False,
        trunk_id=made.trunk_id,
        parent_id=version.id,
        snapshot_id=version.snapshot_id,
        start=job.asked.method,
        head_file=version.head_file,
        head_digest=version.head_digest,
        temperature=version.temperature,
        classes=[
            ClassEntry(each.class_id, each.name, each.usable, each.below_cutoff)
            for each in version_classes(session, version.id)
        ],
        lineage={"parent_number": version.number, "compressed": figures},
        card={
            "trunk": version.trunk.architecture,
            "input_size": version.trunk.input_size,
            "images": len(job.manifest.image_ids),
            "settings": job.asked.model_dump(),
            "parity": {},
            "served_images_per_second": made.speed_after,
        },
    )
    return {"version_id": version_id, "number": number, **figures}
