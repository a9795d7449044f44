"""What the pages of second opinions send."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.labelling.review import Judgement
from app.labelling.schemas import MAX_ID, Id
from app.library.selection import Selection

State = Literal["labelled", "unknown", "none"]
Version = Annotated[int, Field(ge=0, le=MAX_ID)]


class NextAsked(BaseModel):
    """How many images for a second opinion, after which one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: int = Field(0, ge=0, le=MAX_ID)
    count: int = Field(3, ge=1, le=10)


class SecondAnswer(BaseModel):
    """What the second person says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: State
    class_id: Id | None = None
    sub_class_id: Id | None = None

    def judgement(self) -> Judgement:
        """The same for the rules."""
        return Judgement(self.state, self.class_id, self.sub_class_id)


class SettleForm(BaseModel):
    """What a reviewer settles on: a state, and `label` as "class" or "class:sub-class" where that is labelled."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    state: State
    label: str = Field("", pattern=r"^(\d{1,18}(:\d{1,18})?)?$")
    version: Version | None = None

    def judgement(self) -> Judgement:
        """The same for the rules."""
        class_id, _, sub_class_id = self.label.partition(":")
        if self.state != "labelled":
            return Judgement(self.state)
        return Judgement(self.state, int(class_id) if class_id else None, int(sub_class_id) if sub_class_id else None)


class AskRequest(BaseModel):
    """Images to ask about, from a grid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    selection: Selection


class AskForm(BaseModel):
    """The newest images that nobody has reviewed, of one class or of all."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    class_id: Id | None = None
    count: int = Field(50, ge=1, le=10_000)
