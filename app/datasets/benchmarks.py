"""Benchmark sets: chosen images with a settled truth, kept out of training for ever, their duplicates too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import id_rows
from app.core.errors import Conflict, InvalidInput, NotFound
from app.datasets.models import BenchmarkImage, BenchmarkSet
from app.labelling.models import LabelClass
from app.library.models import Image, ImageState
from app.projects.models import Project

LONGEST_NAME = 80
_NO_BENCHMARK = frozenset({ImageState.REMOVED, ImageState.QUARANTINED})


def make_benchmark_set(
    session: Session,
    *,
    project_id: int,
    name: str,
    image_ids: Sequence[int],
    truths: Mapping[int, int | None] | None = None,
    user_id: int | None = None,
    is_tuning: bool = False,
) -> BenchmarkSet:
    """Makes a set of these images. Needs a write session.

    The truth of an image is `truths[id]` where given (a class id, or None for "none of the classes"), else its
    label, else "none of the classes" where it is settled as such. Raises InvalidInput for images without a truth,
    NotFound for images or classes that are not the project's, and Conflict for a name that is taken.
    """
    wanted = name.strip()
    if not wanted or len(wanted) > LONGEST_NAME:
        raise InvalidInput(f"A benchmark set has a name of 1 to {LONGEST_NAME} characters; received {len(wanted)}.")
    _one_at_a_time(session, project_id)
    taken = select(BenchmarkSet.id).where(BenchmarkSet.project_id == project_id, BenchmarkSet.name == wanted)
    if session.scalar(taken.limit(1)) is not None:
        raise Conflict(f"There is a benchmark set named {wanted!r} already: extend it, or choose another name.")
    return _insert(session, project_id, wanted, 1, {}, image_ids, truths or {}, user_id, is_tuning)


def extend_benchmark_set(
    session: Session,
    set_id: int,
    *,
    project_id: int,
    image_ids: Sequence[int],
    truths: Mapping[int, int | None] | None = None,
    user_id: int | None = None,
) -> BenchmarkSet:
    """A new version of the set: its images and these. An image that is in already gets the truth given now.

    Needs a write session. Raises as `make_benchmark_set`, and Conflict unless `set_id` is the newest version.
    """
    _one_at_a_time(session, project_id)
    known = session.get(BenchmarkSet, set_id)
    if known is None or known.project_id != project_id:
        raise NotFound(f"this project has no benchmark set {set_id}")
    same_name = (BenchmarkSet.project_id == project_id, BenchmarkSet.name == known.name)
    newest = session.scalar(select(func.max(BenchmarkSet.version)).where(*same_name))
    if newest != known.version:
        raise Conflict(f"Version {known.version} of {known.name!r} is not the newest; extend version {newest}.")
    before = {
        row.image_id: row.class_id
        for row in session.execute(
            select(BenchmarkImage.image_id, BenchmarkImage.class_id).where(BenchmarkImage.set_id == set_id)
        )
    }
    return _insert(
        session,
        project_id,
        known.name,
        known.version + 1,
        before,
        image_ids,
        truths or {},
        user_id,
        known.is_tuning,
    )


def _one_at_a_time(session: Session, project_id: int) -> None:
    """Sets of one project are made one after the other (SQLite: the write lock does it)."""
    session.execute(select(Project.id).where(Project.id == project_id).with_for_update(key_share=True))


def _insert(
    session: Session,
    project_id: int,
    name: str,
    version: int,
    before: Mapping[int, int | None],
    image_ids: Sequence[int],
    truths: Mapping[int, int | None],
    user_id: int | None,
    is_tuning: bool,
) -> BenchmarkSet:
    settled = {**before, **_settled(session, project_id, list(dict.fromkeys(image_ids)), truths)}
    made = BenchmarkSet(
        project_id=project_id,
        name=name,
        version=version,
        is_tuning=is_tuning,
        created_by=user_id,
        created_at=now(),
    )
    session.add(made)
    session.flush()
    session.connection().execute(
        insert(BenchmarkImage),
        [
            {"set_id": made.id, "image_id": image_id, "class_id": class_id, "settled_by": user_id}
            for image_id, class_id in sorted(settled.items())
        ],
    )
    _set_apart(session, list(settled))
    return made


def _settled(
    session: Session, project_id: int, image_ids: list[int], truths: Mapping[int, int | None]
) -> dict[int, int | None]:
    if not image_ids:
        raise InvalidInput("A benchmark set needs at least one image; received none.")
    rows = session.execute(
        select(Image.id, Image.state, Image.class_id).where(
            Image.project_id == project_id, Image.id.in_(id_rows(session, image_ids))
        )
    ).all()
    if len(rows) != len(image_ids):
        raise NotFound(f"{len(image_ids) - len(rows)} of {len(image_ids)} images are not in this project")
    _check_classes(session, project_id, {truths[each] for each in image_ids if truths.get(each) is not None})
    settled: dict[int, int | None] = {}
    unfit = [row.id for row in rows if row.state in _NO_BENCHMARK]
    if unfit:
        raise InvalidInput(f"{len(unfit)} of the images are removed or quarantined: leave them out.")
    for row in rows:
        if row.id in truths:
            settled[row.id] = truths[row.id]
        elif row.class_id is not None or row.state == ImageState.NONE:
            settled[row.id] = row.class_id
    if missing := len(rows) - len(settled):
        raise InvalidInput(f"{missing} of {len(rows)} images have no label: label them first, or give their truth.")
    return settled


def _check_classes(session: Session, project_id: int, class_ids: set[int | None]) -> None:
    known = set(
        session.scalars(
            select(LabelClass.id).where(
                LabelClass.project_id == project_id,
                LabelClass.id.in_(id_rows(session, [each for each in class_ids if each is not None])),
            )
        )
    )
    if unknown := class_ids - known:
        raise NotFound(f"this project has no class {min(each for each in unknown if each is not None)}")


def _set_apart(session: Session, image_ids: list[int]) -> None:
    """Out of training for ever: the images and all duplicates of them."""
    groups = select(Image.duplicate_group_id).where(
        Image.id.in_(id_rows(session, image_ids)), Image.duplicate_group_id.is_not(None)
    )
    chosen = or_(Image.id.in_(id_rows(session, image_ids)), Image.duplicate_group_id.in_(groups))
    session.execute(
        update(Image).where(chosen).values(in_benchmark=True), execution_options={"synchronize_session": False}
    )
