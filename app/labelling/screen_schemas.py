"""What the labelling screen asks for."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.labelling.schemas import Id, RequestKey

MAX_NOTE_TEXT: Final = 2000
PolicyText = Annotated[str, Field(min_length=1, max_length=200)]


class NextRequest(BaseModel):
    """How many images of which queue, beside those it has (`have`).

    `policy` is a mix as it stands in the address, `given` how many it got of it before. `first` is an image to begin
    with wherever it stands; `since` is when the labeller's day began; `begins` asks for the last answers of that day.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(10, ge=0, le=20)
    policy: PolicyText = "newest"
    given: int = Field(0, ge=0, le=10**9)
    have: list[Id] = Field(default=[], max_length=200)
    first: Id | None = None
    since: AwareDatetime | None = None
    begins: bool = False


class SkipRequest(BaseModel):
    """Images to put off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_ids: list[Id] = Field(min_length=1, max_length=60)


class UndoRequest(BaseModel):
    """An act to take back, by its id or by the key that it was sent with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action_id: Id | None = None
    action_key: RequestKey | None = None
    request_key: RequestKey

    @model_validator(mode="after")
    def _names_one(self) -> UndoRequest:
        if (self.action_id is None) == (self.action_key is None):
            raise ValueError("an undo names either action_id or action_key")
        return self


class NoteRequest(BaseModel):
    """A note on an image."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NOTE_TEXT)]
    request_key: RequestKey | None = None


class KeyForm(BaseModel):
    """A key for a command; an empty one gives the usual key back."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    command: str = Field(max_length=40)
    key: str = Field("", max_length=40)
