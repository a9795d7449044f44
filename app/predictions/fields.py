"""Filtering images by what the production version makes of them: its class, its confidence, whether it disagrees."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import Session

from app.core.texts import tr
from app.library.grammar import Choice, Field, Values, at_least, at_most, number_between, number_id, yes_or_no
from app.library.models import Image, ImageState
from app.predictions.models import Prediction, ScoringJob
from app.registry.models import Deployment
from app.registry.queries import production, version_classes


def _production_jobs(of_project: Any) -> Select[int]:
    return (
        select(ScoringJob.id)
        .join(Deployment, Deployment.version_id == ScoringJob.version_id)
        .where(Deployment.project_id == of_project, Deployment.is_active)
    )


def _predicted(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the production version's answer for an image, as it is turned now, meets conditions."""
    jobs = _production_jobs(Image.project_id).correlate(Image)
    return exists().where(
        Prediction.image_id == Image.id,
        Prediction.rotation == Image.rotation,
        Prediction.job_id.in_(jobs),
        *conditions,
    )


def _ids(project_id: int, *conditions: ColumnElement[bool]) -> Select[int]:
    return select(Prediction.image_id).where(Prediction.job_id.in_(_production_jobs(project_id)), *conditions)


_at_least, _at_most = at_least(Prediction.confidence_1), at_most(Prediction.confidence_1)


def _disagrees(values: Values) -> ColumnElement[bool]:
    differs = Prediction.class_1 != Image.class_id if values[0] else Prediction.class_1 == Image.class_id
    return (Image.state == ImageState.LABELLED.value) & _predicted(differs)


def _class_choices(session: Session, project_id: int) -> list[Choice]:
    serving = production(session, project_id)
    known = version_classes(session, serving.version_id) if serving else []
    return sorted(((str(entry.class_id), entry.name) for entry in known), key=lambda choice: choice[1].casefold())


FIELDS: Final = (
    Field(
        "predicted_class_id",
        lambda: tr("Predicted class"),
        "model",
        number_id,
        lambda values: _predicted(Prediction.class_1.in_(values)),
        lambda project_id, values: _ids(project_id, Prediction.class_1.in_(values)),
        many=True,
        choices=_class_choices,
    ),
    Field(
        "confidence_min",
        lambda: tr("Confidence at least"),
        "model",
        number_between(0, 1),
        lambda values: _predicted(_at_least(values)),
        lambda project_id, values: _ids(project_id, _at_least(values)),
        kind="number",
    ),
    Field(
        "confidence_max",
        lambda: tr("Confidence at most"),
        "model",
        number_between(0, 1),
        lambda values: _predicted(_at_most(values)),
        lambda project_id, values: _ids(project_id, _at_most(values)),
        kind="number",
    ),
    Field(
        "disagreement",
        lambda: tr("Predicted other than labelled"),
        "model",
        yes_or_no,
        _disagrees,
        kind="yes_no",
    ),
)
