"""What the forms of classes, their standard, proposals and lists send."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.labelling.class_parts import LabelsGo
from app.labelling.schemas import MAX_ALIASES, MAX_IMAGES, MAX_NAME, MAX_NOTE, Id, RequestKey
from app.library.selection import Selection

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
MAX_LIST = 1_000_000


class _Form(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ClassForm(_Form):
    """A class; `aliases` is one a line or separated by commas. `keep_old_name`: a former name stays as an alias."""

    name: Name
    note: str = Field("", max_length=MAX_NOTE)
    aliases: str = Field("", max_length=MAX_ALIASES * (MAX_NAME + 2))
    colour: str = Field("", max_length=20)
    key: str = Field("", max_length=20)
    has_colour: bool = False
    keep_old_name: bool = False

    def alias_names(self) -> list[str]:
        """The aliases, as typed."""
        return [each.strip() for each in self.aliases.replace("\n", ",").split(",") if each.strip()]


class SubClassForm(_Form):
    """A sub-class."""

    name: Name


class MergeForm(_Form):
    """Which class takes over, and whether the merged one lives on as its sub-class."""

    target_id: Id
    keep_as_sub_class: bool = False


class TrainAsForm(_Form):
    """Which class this one is trained as for a while."""

    as_id: Id


class DeleteForm(_Form):
    """What becomes of the images of a class that goes."""

    labels_go: LabelsGo
    target_id: Id | None = None


class SplitRequest(BaseModel):
    """Images that become a class of their own, from a grid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    image_ids: list[Id] | None = Field(None, min_length=1, max_length=MAX_IMAGES)
    selection: Selection | None = None
    versions: dict[Id, Annotated[int, Field(ge=0)]] = {}
    request_key: RequestKey | None = None

    def chosen(self) -> Selection:
        """The images as a selection. Raises ValueError where neither or both are given."""
        if (self.image_ids is None) == (self.selection is None):
            raise ValueError("say either image_ids or a selection")
        return self.selection or Selection(image_ids=self.image_ids)


class ExampleForm(_Form):
    """Images for a standard: ids separated by commas or blanks."""

    images: str = Field(min_length=1, max_length=400, pattern=r"^[\d\s,]+$")
    kind: Literal["good", "bad"] = "good"
    note: Words = ""

    def image_ids(self) -> list[int]:
        """The ids."""
        return [int(each) for each in self.images.replace(",", " ").split()]


class LookAlikeForm(_Form):
    """Another class, and how to tell the two apart."""

    other_id: Id
    note: Words = ""


class ProposalForm(_Form):
    """A class that somebody misses."""

    name: Name
    note: Words = ""
    image_id: Id | None = None


class SettleProposalForm(_Form):
    """What a reviewer makes of a proposal: a class (`name`), none (`reason`), or a known one (`class_id`)."""

    verdict: Literal["make", "refuse", "map"]
    name: str = Field("", max_length=MAX_NAME)
    reason: Words = ""
    class_id: Id | None = None
    keep_as_alias: bool = False


class ClassListForm(_Form):
    """A list of classes as CSV or as one name a line; `is_final` writes what was previewed."""

    text: str = Field("", max_length=MAX_LIST)
    is_final: bool = False
