"""The form of the page that starts a run."""

from __future__ import annotations

from pydantic import Field, ValidationError

from app.training.fit_settings import (
    Augmentation,
    ClassId,
    GivenAugmentation,
    GivenSettings,
    Start,
    settings_without_use,
)
from app.training.schemas import MOST_POOL_IMAGES, Purpose, TrainingChoices, TrainingRequest
from app.web.forms import refusal


class TrainingForm(GivenSettings, GivenAugmentation):
    """What the page sends; an empty field takes the default of the start."""

    start: Start = "head_only"
    purpose: Purpose = "normal"
    trunk: str | None = None
    input_size: int | None = None
    parent_version_id: int | None = Field(None, ge=1, le=2**62)
    lower: int | None = Field(None, ge=1)
    upper: int | None = Field(None, ge=1)
    include_small: bool = False
    view_id: int | None = Field(None, ge=1, le=2**62)
    teacher_version_id: int | None = Field(None, ge=1, le=2**62)
    pool_images: int = Field(0, ge=0, le=MOST_POOL_IMAGES)
    flip: bool = False
    zoom_out: bool = False
    settle_head: bool = False
    no_flip: tuple[ClassId, ...] = ()
    seed: int = Field(0, ge=0, le=2**31 - 1)
    then_identify: bool = False
    again: bool = False

    def to_request(self, *, project_id: int, user_id: int) -> TrainingRequest:
        """The request: fields that the chosen start has no use for are passed over. Raises InvalidInput."""
        has_parent = self.start in {"warm", "head_only"} and self.parent_version_id is not None
        trunk = None if has_parent else self.trunk
        keeps_size = self.start == "head_only" and has_parent
        idle = settings_without_use(self.start, self)
        plain = self.model_dump(
            include=TrainingChoices.model_fields.keys()
            - {"parent_version_id", "trunk", "input_size", "augmentation", *idle}
        )
        try:
            return TrainingRequest(
                project_id=project_id,
                created_by=user_id,
                parent_version_id=self.parent_version_id if has_parent else None,
                trunk=trunk,
                input_size=None if keeps_size else self.input_size,
                augmentation=None if self.start == "head_only" and not self.views else self._augmentation(),
                **plain,
            )
        except ValidationError as error:
            raise refusal(error) from error

    def _augmentation(self) -> Augmentation:
        chosen = {name: getattr(self, name) for name in Augmentation.model_fields}
        return Augmentation(**{name: value for name, value in chosen.items() if value is not None})
