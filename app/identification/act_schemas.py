"""What acts on many results are asked with: plans of acceptances and removals, retirements. All closed lists."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.identification.schemas import Id
from app.labelling.schemas import RequestKey

Measure = Literal["confidence", "margin", "certainty"]
MEASURES: Final[tuple[Measure, ...]] = ("confidence", "margin", "certainty")
MOST_RETIRED: Final = 10_000


class AcceptAbove(BaseModel):
    """A plan to accept all predictions from a confidence on, for classes that are plentiful.

    Plentiful: at least `multiple` times the lower cutoff usable. `share` is what a rare class may have among the top
    five. With a `class_id`, that predicted class alone.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    confidence: Annotated[float, Field(ge=0.5, le=1.0, allow_inf_nan=False)] = 0.95
    multiple: Annotated[float, Field(ge=1.5, le=100.0, allow_inf_nan=False)] = 3.0
    share: Annotated[float, Field(ge=0.0, le=0.5, allow_inf_nan=False)] = 0.02
    class_id: Id | None = None


class RemoveBelow(BaseModel):
    """A plan to remove what the model can make least of: pool images that score below a whole per cent of a measure."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    measure: Measure = "confidence"
    below: Annotated[int, Field(ge=1, le=100)] = 20


class RetireForm(BaseModel):
    """How many staged or synthetic images of a class to retire."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    class_id: Id
    count: Annotated[int, Field(ge=1, le=MOST_RETIRED)]
    request_key: RequestKey | None = None
