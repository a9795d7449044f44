"""What the pages of data sets send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.datasets.benchmarks import LONGEST_NAME
from app.datasets.comparing import Change
from app.datasets.listing import Show, Sort
from app.datasets.queries import SnapshotSort
from app.datasets.schemas import CutoffChoice
from app.library.selection import Selection
from app.web.access import ProjectRef

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

    def choice(self, project: ProjectRef) -> CutoffChoice:
        """The choice, with the project's cutoffs where none are given."""
        lower = self.lower or project.lower_cutoff
        upper = self.upper or max(project.upper_cutoff, lower)
        return CutoffChoice(lower, upper, self.include_small, self.seed, self.view_id)


class Address(BaseModel):
    """What a page's address says besides its path."""

    model_config = ConfigDict(frozen=True)

    def query_string(self, **changes: object) -> str:
        """The query of an address with these changes; what is at its default stays away."""
        said = self.model_copy(update=changes).model_dump(exclude_defaults=True)
        return urlencode(
            {name: str(value).lower() if isinstance(value, bool) else value for name, value in said.items()}
        )


class ListedClasses(Address):
    """Which classes are listed, in which order."""

    show: Show = "all"
    sort: Sort = "name"
    down: bool = False
    find: str = Field("", max_length=200)
    page: int = Field(1, ge=1, le=10_000)


class PreviewQuery(ListedClasses, Cutoffs):
    """Cutoffs, and which classes of what they include are listed. `wait`: count at once, however long it takes."""

    wait: bool = False


class SnapshotListQuery(Address):
    """In which order snapshots are listed."""

    sort: SnapshotSort = "id"
    down: bool = True
    page: int = Field(1, ge=1, le=10_000)


class SnapshotImagesQuery(Address):
    """Which images of a snapshot are shown."""

    class_id: Id | None = None
    sub_class_id: Id | None = None
    split: Literal["train", "validation", "test"] | None = None
    after: Id | None = None


class CompareQuery(Address):
    """Two snapshots, and which of the changed images are shown."""

    earlier: Id | None = None
    later: Id | None = None
    change: Change = "came"
    class_id: Id | None = None
    after: Id | None = None


class BenchmarkRequest(BaseModel):
    """Images, by `image_ids` or `selection`, for a new benchmark set (`name`) or a new version of one (`set_id`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", max_length=LONGEST_NAME)
    set_id: Id | None = None
    image_ids: list[Id] = Field([], max_length=MOST_IMAGES)
    selection: Selection | None = None
    truth: Literal["label", "none", "class"] = "label"
    class_id: Id | None = None
    is_tuning: bool = False

    @model_validator(mode="after")
    def _has_its_class(self) -> Self:
        if self.truth == "class" and self.class_id is None:
            raise ValueError("choose the class that the images show")
        if self.selection is not None and self.image_ids:
            raise ValueError("a benchmark set takes either image_ids or a selection")
        return self

    def truths(self, image_ids: Sequence[int]) -> dict[int, int | None]:
        """The truth of each image where it is not its label."""
        if self.truth == "label":
            return {}
        return dict.fromkeys(image_ids, self.class_id if self.truth == "class" else None)
