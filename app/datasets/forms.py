"""What the pages of data sets send."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.datasets.benchmarks import LONGEST_NAME

MOST_IMAGES = 20_000
Id = Annotated[int, Field(ge=1, le=2**62)]


class Cutoffs(BaseModel):
    """Cutoffs as typed; what is left empty is the project's."""

    model_config = ConfigDict(frozen=True)

    lower: int | None = Field(None, ge=1)
    upper: int | None = Field(None, ge=1)
    include_small: bool = False
    seed: int = Field(0, ge=0, le=2**31 - 1)
    view_id: Id | None = None


class BenchmarkRequest(BaseModel):
    """Chosen images for a new benchmark set (`name`), or for a new version of one (`set_id`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", max_length=LONGEST_NAME)
    set_id: Id | None = None
    image_ids: list[Id] = Field(max_length=MOST_IMAGES)
    truth: Literal["label", "none", "class"] = "label"
    class_id: Id | None = None
    is_tuning: bool = False

    @model_validator(mode="after")
    def _has_its_class(self) -> Self:
        if self.truth == "class" and self.class_id is None:
            raise ValueError("choose the class that the images show")
        return self

    def truths(self) -> dict[int, int | None]:
        """The truth of each image where it is not its label."""
        if self.truth == "label":
            return {}
        return dict.fromkeys(self.image_ids, self.class_id if self.truth == "class" else None)
