"""The form of the page that starts a run."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.training.schemas import MOST_EPOCHS, Augmentation, Purpose, Start, TrainingChoices, TrainingRequest
from app.web.forms import refusal


class TrainingForm(BaseModel):
    """What the page sends; an empty field takes the default of the start."""

    model_config = ConfigDict(frozen=True)

    start: Start = "head_only"
    purpose: Purpose = "normal"
    trunk: str | None = None
    input_size: int | None = None
    parent_version_id: int | None = Field(None, ge=1, le=2**62)
    lower: int | None = Field(None, ge=1)
    upper: int | None = Field(None, ge=1)
    include_small: bool = False
    view_id: int | None = Field(None, ge=1, le=2**62)
    epochs: int | None = Field(None, ge=1, le=MOST_EPOCHS)
    patience: int | None = Field(None, ge=1, le=MOST_EPOCHS)
    learning_rate: float | None = Field(None, ge=1e-8, le=1)
    batch_size: int | None = Field(None, ge=1, le=4096)
    dropout: float | None = Field(None, ge=0, le=0.9)
    label_smoothing: float | None = Field(None, ge=0, le=0.5)
    weight_decay: float | None = Field(None, ge=0, le=1)
    flip: bool = False
    zoom_out: bool = False
    rotate_degrees: float | None = Field(None, ge=0, le=45)
    zoom: float | None = Field(None, ge=0, le=0.5)
    brightness: float | None = Field(None, ge=0, le=0.5)
    contrast: float | None = Field(None, ge=0, le=0.9)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    then_identify: bool = False
    again: bool = False

    def to_request(self, *, project_id: int, user_id: int) -> TrainingRequest:
        """The request: fields that the chosen start has no use for are passed over. Raises InvalidInput."""
        has_parent = self.start in {"warm", "head_only"} and self.parent_version_id is not None
        trunk = None if has_parent else self.trunk
        keeps_size = self.start == "head_only" and has_parent
        plain = self.model_dump(
            include=TrainingChoices.model_fields.keys() - {"parent_version_id", "trunk", "input_size", "augmentation"}
        )
        try:
            return TrainingRequest(
                project_id=project_id,
                created_by=user_id,
                parent_version_id=self.parent_version_id if has_parent else None,
                trunk=trunk,
                input_size=None if keeps_size else self.input_size,
                augmentation=None if self.start == "head_only" else self._augmentation(),
                **plain,
            )
        except ValidationError as error:
            raise refusal(error) from error

    def _augmentation(self) -> Augmentation:
        given = {name: getattr(self, name) for name in ("rotate_degrees", "zoom", "brightness", "contrast")}
        chosen = {name: value for name, value in given.items() if value is not None}
        return Augmentation(flip=self.flip, zoom_out=self.zoom_out, **chosen)
