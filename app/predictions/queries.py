"""What has been predicted for one image, version by version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.embeddings.map_points import SHOWN
from app.embeddings.models import MapPoint
from app.library.filters import ImageFilter
from app.library.models import Image
from app.predictions.models import Candidate, Prediction, ScoringJob
from app.predictions.rows import ranked_classes
from app.predictions.service import Suggestion
from app.registry.models import ModelVersion
from app.registry.queries import production, version_classes

_JOBS_LOOKED_AT = 40


@dataclass(frozen=True, slots=True)
class VersionAnswer:
    """The newest answer of one version. `is_stale`: the image was turned since."""

    version_number: int
    throwaway: bool
    job_id: int
    purpose: str
    predicted_at: datetime
    ranked: list[Suggestion]
    margin: float
    is_stale: bool


def answers_for(session: Session, project_id: int, image_id: int, *, limit: int = 5) -> list[VersionAnswer]:
    """The newest answers of up to `limit` versions for an image of the project, newest version first."""
    rows = session.execute(
        select(
            Prediction,
            ScoringJob.purpose,
            ScoringJob.created_at,
            ModelVersion.id,
            ModelVersion.number,
            ModelVersion.throwaway,
            Image.rotation,
        )
        .join(ScoringJob, ScoringJob.id == Prediction.job_id)
        .join(ModelVersion, ModelVersion.id == ScoringJob.version_id)
        .join(Image, Image.id == Prediction.image_id)
        .where(Prediction.image_id == image_id, Image.project_id == project_id)
        .order_by(Prediction.job_id.desc())
        .limit(_JOBS_LOOKED_AT)
    )
    answers: dict[int, VersionAnswer] = {}
    for prediction, purpose, predicted_at, version_id, number, throwaway, rotation in rows:
        if number in answers:
            continue
        names = {entry.class_id: entry.name for entry in version_classes(session, version_id)}
        answers[number] = VersionAnswer(
            number,
            throwaway,
            prediction.job_id,
            purpose,
            predicted_at,
            [Suggestion(class_id, names[class_id], share) for class_id, share in ranked_classes(prediction)],
            prediction.margin,
            prediction.rotation != rotation,
        )
    return sorted(answers.values(), key=lambda answer: -answer.version_number)[:limit]


def newest_candidates(session: Session, project_id: int, class_id: int) -> list[int]:
    """The images that the newest job which looked for a class found for it, the likeliest first."""
    job_id = session.scalar(
        select(ScoringJob.id)
        .where(
            ScoringJob.project_id == project_id,
            exists().where(Candidate.job_id == ScoringJob.id, Candidate.class_id == class_id),
        )
        .order_by(ScoringJob.id.desc())
        .limit(1)
    )
    query = select(Candidate.image_id).where(Candidate.job_id == job_id, Candidate.class_id == class_id)
    return list(session.scalars(query.order_by(Candidate.rank)))


def confidences_on_map(
    session: Session, project_id: int, layout_id: int, chosen: ImageFilter
) -> list[tuple[int, float]]:
    """(image, confidence) by the production version's newest answers, of the points that a map shows."""
    serving = production(session, project_id)
    if serving is None:
        return []
    shown = (
        select(Image.id, Image.rotation)
        .join(MapPoint, MapPoint.image_id == Image.id)
        .where(Image.project_id == project_id, MapPoint.layout_id == layout_id, *chosen.conditions())
        .order_by(MapPoint.place)
        .limit(SHOWN)
        .subquery()
    )
    query = (
        select(Prediction.image_id, Prediction.confidence_1)
        .join(shown, (shown.c.id == Prediction.image_id) & (shown.c.rotation == Prediction.rotation))
        .join(ScoringJob, ScoringJob.id == Prediction.job_id)
        .where(ScoringJob.version_id == serving.version_id)
        .order_by(Prediction.job_id)
    )
    return list(dict(session.execute(query).all()).items())
