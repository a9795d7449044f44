"""Reading the library: pages of images, counts, what belongs to one image, imports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.database import id_rows
from app.library.fields import HIDDEN
from app.library.filters import ImageFilter
from app.library.matching import look, narrow_ids
from app.library.models import (
    CaptureGroup,
    Image,
    ImageCount,
    ImageSource,
    ImageState,
    ImportBatch,
    LabelConflict,
)
from app.runs.models import Run

COUNT_CAP: Final = 10_000
_KEPT: Final = frozenset({"state", "class_id", "origin"})


@dataclass(frozen=True, slots=True)
class ImagePage:
    """Some images, newest first. `newer` and `older` are the ids to page on from, None at the ends.

    A page may be short, or empty, though there is an older one: so much of the library was looked through without
    finding more. The next page looks on.
    """

    images: Sequence[Image]
    newer: int | None
    older: int | None


@dataclass(frozen=True, slots=True)
class ImageTotal:
    """How many images match; above a cap only "that many or more" is known."""

    images: int
    is_exact: bool

    @property
    def words(self) -> str:
        """The number for people: "412" or "10,000+"."""
        return f"{self.images:,}" if self.is_exact else f"{self.images:,}+"


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The images before and after one in a filtered list, newest first."""

    newer: int | None
    older: int | None


def page(
    session: Session,
    project_id: int,
    chosen: ImageFilter,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = 60,
) -> ImagePage:
    """Images that match, by falling id: the newest, or those next below `before`, or those next above `after`."""
    if after is not None:
        upward = look(session, project_id, chosen, wanted=limit + 1, above=after)
        ids = upward.ids[:limit][::-1]
        newer = ids[0] if len(upward.ids) > limit else upward.reached
        return ImagePage(_images(session, ids), newer, ids[-1] if ids else None)
    downward = look(session, project_id, chosen, wanted=limit + 1, below=before)
    ids = downward.ids[:limit]
    older = ids[-1] if len(downward.ids) > limit else downward.reached
    return ImagePage(_images(session, ids), ids[0] if ids and before is not None else None, older)


def _images(session: Session, ids: list[int]) -> Sequence[Image]:
    return session.scalars(select(Image).where(Image.id.in_(id_rows(session, ids))).order_by(Image.id.desc())).all()


def count(session: Session, project_id: int, chosen: ImageFilter, *, cap: int = COUNT_CAP) -> ImageTotal:
    """How many images match: from the kept counts where they can tell, else by counting up to `cap`.

    The work is bounded: where few of very many match and no index tells which, the number is a lower bound too;
    `exact_count` says it in time.
    """
    if chosen.to_query().keys() <= _KEPT:
        return ImageTotal(_kept_total(session, project_id, chosen), is_exact=True)
    every = narrow_ids(session, project_id, chosen)
    if every is not None:
        return ImageTotal(min(len(every), cap), is_exact=len(every) <= cap)
    counted = look(session, project_id, chosen, wanted=cap + 1)
    images = len(counted.ids)
    return ImageTotal(min(images, cap), is_exact=images <= cap and counted.reached is None)


def exact_count(session: Session, project_id: int, chosen: ImageFilter) -> int:
    """How many images match, however long that takes: for what follows a page, never for the page."""
    if chosen.to_query().keys() <= _KEPT:
        return _kept_total(session, project_id, chosen)
    query = chosen.apply(select(func.count()).select_from(Image).where(Image.project_id == project_id))
    return session.scalar(query) or 0


def _kept_total(session: Session, project_id: int, chosen: ImageFilter) -> int:
    conditions = _kept(project_id, chosen)
    return int(session.scalar(select(func.coalesce(func.sum(ImageCount.images), 0)).where(*conditions)) or 0)


def _kept(project_id: int, chosen: ImageFilter, *, all_states: bool = False) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [ImageCount.project_id == project_id]
    states = chosen.values("state")
    if states and "any" not in states:
        conditions.append(ImageCount.state.in_(states))
    elif not states and not all_states:
        conditions.append(ImageCount.state.not_in(HIDDEN))
    if classes := chosen.values("class_id"):
        conditions.append(ImageCount.class_id.in_(classes))
    if origins := chosen.values("origin"):
        conditions.append(ImageCount.origin.in_(origins))
    return conditions


def facets(session: Session, project_id: int, chosen: ImageFilter) -> dict[str, dict[str, int]]:
    """Images by choice of state, class and origin beside what else is chosen, where the kept counts can tell."""
    columns: dict[str, InstrumentedAttribute[Any]] = {
        "state": ImageCount.state,
        "class_id": ImageCount.class_id,
        "origin": ImageCount.origin,
    }
    found: dict[str, dict[str, int]] = {}
    for name, column in columns.items():
        others = chosen.without(name)
        if others.to_query().keys() <= _KEPT:
            query = select(column, func.sum(ImageCount.images)).where(
                *_kept(project_id, others, all_states=name == "state")
            )
            found[name] = {str(value): int(images) for value, images in session.execute(query.group_by(column))}
    return found


def images_by_state(session: Session, project_id: int) -> dict[str, int]:
    """How many images are in each state, from the kept counts."""
    query = select(ImageCount.state, func.sum(ImageCount.images)).where(ImageCount.project_id == project_id)
    kept = dict(session.execute(query.group_by(ImageCount.state)).all())
    return {state.value: int(kept.get(state.value, 0)) for state in ImageState}


def neighbours(session: Session, project_id: int, chosen: ImageFilter, image_id: int) -> Neighbours:
    """The images next to `image_id` in the filtered list, whether or not it is in the list itself."""
    newer = look(session, project_id, chosen, wanted=1, above=image_id, has_budget=False)
    older = look(session, project_id, chosen, wanted=1, below=image_id, has_budget=False)
    return Neighbours(next(iter(newer.ids), None), next(iter(older.ids), None))


def sources_of(session: Session, image_id: int, *, limit: int = 50) -> list[tuple[ImageSource, ImportBatch | None]]:
    """Each time the image's bytes arrived, oldest first, with the import it came by."""
    query = (
        select(ImageSource, ImportBatch)
        .outerjoin(ImportBatch, ImportBatch.id == ImageSource.batch_id)
        .where(ImageSource.image_id == image_id)
        .order_by(ImageSource.id)
        .limit(limit)
    )
    return [(source, batch) for source, batch in session.execute(query)]


def duplicates_of(session: Session, image: Image, *, limit: int = 60) -> Sequence[Image]:
    """The other images of its duplicate group, the representative first."""
    if image.duplicate_group_id is None:
        return []
    query = select(Image).where(Image.duplicate_group_id == image.duplicate_group_id, Image.id != image.id)
    return session.scalars(query.order_by(Image.is_representative.desc(), Image.id).limit(limit)).all()


def open_conflicts_of(session: Session, image_id: int) -> Sequence[LabelConflict]:
    """Labels under which the image's bytes arrived, against the one it carries, that nobody has settled."""
    query = select(LabelConflict).where(LabelConflict.image_id == image_id, LabelConflict.settled_at.is_(None))
    return session.scalars(query.order_by(LabelConflict.id)).all()


def capture_group_name(session: Session, group_id: int | None) -> str | None:
    """The key of a capture group."""
    return session.scalar(select(CaptureGroup.key).where(CaptureGroup.id == group_id)) if group_id else None


def batches(session: Session, project_id: int, *, before: int | None = None, limit: int = 50) -> Sequence[ImportBatch]:
    """Imports, newest first."""
    query = select(ImportBatch).where(ImportBatch.project_id == project_id).order_by(ImportBatch.id.desc()).limit(limit)
    return session.scalars(query.where(ImportBatch.id < before) if before is not None else query).all()


def run_states(session: Session, batches: Sequence[ImportBatch]) -> dict[int, str]:
    """State of each import's run, by the import's id."""
    query = select(ImportBatch.id, Run.state).join(Run, Run.id == ImportBatch.run_id)
    return dict(session.execute(query.where(ImportBatch.id.in_([b.id for b in batches]))).all())


def open_conflicts(session: Session, project_id: int, *, limit: int = 200) -> list[tuple[LabelConflict, Image]]:
    """Arrivals under another label that nobody has settled, newest first, with their images."""
    query = (
        select(LabelConflict, Image)
        .join(Image, Image.id == LabelConflict.image_id)
        .where(LabelConflict.project_id == project_id, LabelConflict.settled_at.is_(None))
        .order_by(LabelConflict.id.desc())
        .limit(limit)
    )
    return [(conflict, image) for conflict, image in session.execute(query)]


def group_members(session: Session, groups: Sequence[int]) -> dict[int, list[Image]]:
    """The images of some duplicate groups, in the groups' order, each group's representative first."""
    members: dict[int, list[Image]] = {group: [] for group in groups}
    query = select(Image).where(Image.duplicate_group_id.in_(groups))
    for image in session.scalars(query.order_by(Image.is_representative.desc(), Image.id)):
        members[image.duplicate_group_id or 0].append(image)
    return members
