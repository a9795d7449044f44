"""Values of serving: what is answered, what is recorded of it, and what people say of it afterwards."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field
from ulid import ULID

from app.core.database import Json
from app.core.errors import InvalidInput

MOST_CHOICES: Final = 10
Id = Annotated[int, Field(ge=1, le=2**62)]


class Verdict(StrEnum):
    """What a person says of a served answer."""

    CORRECT = "correct"
    WRONG = "wrong"
    CLASS_NOT_IN_MODEL = "class_not_in_model"
    NOT_USABLE = "not_usable"


@dataclass(frozen=True, slots=True)
class Choice:
    """A class with its name in the version that answered, and its confidence, 0..1."""

    class_id: int
    name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Served:
    """One transaction as the spool keeps it: all that SQL gets, and whether the image's bytes go along to the pool."""

    id: str
    project_id: int
    client: str
    version_id: int
    deployment_id: int
    sent_digest: str
    byte_count: int
    keeps_image: bool
    decision: str
    choices: tuple[Choice, ...]
    upper: float
    lower: float
    latency_ms: float

    @property
    def at(self) -> datetime:
        """When it was answered: the moment its id carries, to the millisecond."""
        moment: datetime = ULID.from_str(self.id).datetime
        return moment.astimezone(UTC)

    @property
    def draw(self) -> int:
        """A random number of 31 bits, from the id's own randomness."""
        return draw_of(self.id)

    def to_json(self) -> bytes:
        """As one line of JSON for the spool."""
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """From the spool's JSON. Raises ValueError for any other text."""
        try:
            values = json.loads(text)
            choices = tuple(Choice(**choice) for choice in values.pop("choices"))
            return cls(**values, choices=choices)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a transaction of the spool: {error}") from error

    def row(self) -> Json:
        """As columns of the table."""
        best = self.choices[0]
        return {
            "id": self.id,
            "project_id": self.project_id,
            "at": self.at,
            "client": self.client,
            "version_id": self.version_id,
            "deployment_id": self.deployment_id,
            "sent_digest": self.sent_digest,
            "decision": self.decision,
            "class_1": best.class_id,
            "confidence_1": best.confidence,
            "answer": {
                "choices": [asdict(choice) for choice in self.choices],
                "upper": self.upper,
                "lower": self.lower,
            },
            "latency_ms": self.latency_ms,
            "draw": self.draw,
        }


def draw_of(transaction_id: str) -> int:
    """A random number of 31 bits from the random part of a transaction's id."""
    return int(ULID.from_str(transaction_id)) & (2**31 - 1)


class NewGrade(BaseModel):
    """A verdict on one transaction; the true class goes with "wrong", and may go with the other verdicts."""

    model_config = ConfigDict(extra="forbid")

    transaction_id: Annotated[str, Field(min_length=26, max_length=26)]
    verdict: Verdict
    true_class_id: Id | None = None


class GradeToUndo(BaseModel):
    """A grade to take back."""

    model_config = ConfigDict(extra="forbid")

    grade_id: Id


class TransactionFilter(BaseModel):
    """Which transactions a page lists; a closed set, each from the address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision: Annotated[str, Field(pattern="^(answered|choices|unable)$")] | None = None
    version: Annotated[int, Field(ge=1, le=2**62)] | None = None
    client: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    graded: Annotated[str, Field(pattern="^(yes|no|correct|wrong|class_not_in_model|not_usable)$")] | None = None

    def to_query(self) -> dict[str, str]:
        """As parameters of an address, only those in force."""
        return {name: str(value) for name, value in self.model_dump(exclude_none=True).items()}


def as_transaction_id(text: str) -> str:
    """The text, if it is a transaction's id. Raises InvalidInput."""
    try:
        return str(ULID.from_str(text))
    except ValueError as error:
        raise InvalidInput(f"a transaction's id has 26 letters and digits; received {text[:40]!r}") from error
