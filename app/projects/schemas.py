"""What project forms take."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

KeepPolicy = Literal["all", "sampled", "uncertain", "none"]
Answer = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]


def tidy_name(text: str) -> str:
    """A project's name as it is kept: single spaces, nothing invisible. Raises ValueError when nothing is left."""
    composed = unicodedata.normalize("NFC", text)
    visible = "".join(sign if sign.isprintable() else " " for sign in composed)
    name = " ".join(visible.split())
    if not name:
        raise ValueError("needs at least one visible character")
    return name


ProjectName = Annotated[str, Field(max_length=80), AfterValidator(tidy_name)]


@dataclass(frozen=True)
class Question:
    """A question of the charter: its field, the words asked, and what they mean."""

    field: str
    asks: str
    help: str


CHARTER: tuple[Question, ...] = (
    Question(
        "charter_hardware",
        "What hardware will answer?",
        "A server with a GPU, a laptop, a phone, a camera trap. "
        "It decides how large a trunk may be and which formats are exported.",
    ),
    Question(
        "charter_use",
        "What is an answer used for?",
        "What happens with a right answer, and what a wrong one costs. It decides where the confidence thresholds lie.",
    ),
    Question(
        "charter_interface",
        "How do people or programs ask?",
        "One photo at a time by a person, or thousands a night by a program; one answer, or a list to choose from.",
    ),
    Question(
        "charter_monitoring",
        "How will you watch it after deployment?",
        "Who grades a sample of the answers, how often, and which figure would make you retrain.",
    ),
    Question(
        "charter_approximation",
        "How can that be tried before deployment?",
        "Which images come closest to the field. They become the benchmark set that every version must pass.",
    ),
)


class Charter(BaseModel):
    """The answers to the five questions; each may stay open."""

    charter_hardware: Answer = ""
    charter_use: Answer = ""
    charter_interface: Answer = ""
    charter_monitoring: Answer = ""
    charter_approximation: Answer = ""


class NewProject(Charter):
    """The form that makes a project; `classes` has one name per line, or separated by commas."""

    name: ProjectName
    classes: Annotated[str, Field(max_length=200_000)] = ""


class ProjectSettings(Charter):
    """The settings form."""

    name: ProjectName
    lower_cutoff: Annotated[int, Field(ge=1, le=100_000)] = 40
    upper_cutoff: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    keep_served_images: KeepPolicy = "all"
    review_percent: Annotated[int, Field(ge=0, le=100)] = 0
    check_percent: Annotated[int, Field(ge=0, le=50)] = 0

    @model_validator(mode="after")
    def _ordered(self) -> ProjectSettings:
        if self.lower_cutoff > self.upper_cutoff:
            raise ValueError("The lower cutoff may not lie above the upper one")
        return self


@dataclass(frozen=True)
class MemberRow:
    """A member in the settings page."""

    user_id: int
    name: str
    role: str
    is_active: bool
