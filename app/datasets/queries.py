"""Reading data sets: the library by column, snapshots and their manifest, exposure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
from sqlalchemy import ColumnElement, Executable, Integer, case, cast, func, or_, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.elements import SQLCoreOperations

from app.accounts.models import User
from app.core.database import id_rows
from app.core.errors import NotFound
from app.datasets.models import Snapshot, SnapshotClass, SnapshotImage, TaughtImage
from app.datasets.schemas import (
    ORIGINS,
    SPLITS,
    UNDRAWN,
    ClassPreview,
    Flags,
    ImageColumns,
    Ints,
    Manifest,
    ManifestClass,
    Preview,
    SnapshotFacts,
    SnapshotView,
    SubClassPreview,
    ViewUsed,
)
from app.embeddings.models import ImageCluster
from app.labelling.models import LabelClass, SubClass
from app.library.filters import ImageFilter
from app.library.models import Image, ImageCount, ImageState
from app.registry.models import ModelVersion
from app.registry.queries import reference_trunk

_PART: Final = 20_000


def library_columns(session: Session, project_id: int, *, image_ids: Sequence[int] | None = None) -> ImageColumns:
    """Every image that a draw of splits looks at: labelled, grouped, drawn before or in a benchmark set.

    With `image_ids`, of these alone.
    """
    statement = (
        select(
            Image.id,
            func.coalesce(Image.class_id, 0),
            func.coalesce(Image.sub_class_id, 0),
            _place(Image.origin, ORIGINS),
            func.coalesce(_place(Image.split, SPLITS), UNDRAWN),
            Image.rotation,
            func.coalesce(Image.duplicate_group_id, 0),
            func.coalesce(Image.capture_group_id, 0),
            case((Image.state == ImageState.LABELLED, 1), else_=0),
            case((or_(Image.quality.is_(None), Image.quality == "good"), 1), else_=0),
            cast(Image.is_small_subject, Integer),
            cast(Image.is_retired, Integer),
            cast(Image.leaked, Integer),
            cast(Image.in_benchmark, Integer),
            cast(Image.is_representative, Integer),
            cast(Image.is_reviewed, Integer),
        )
        .where(
            Image.project_id == project_id,
            or_(
                Image.state == ImageState.LABELLED,
                Image.duplicate_group_id.is_not(None),
                Image.capture_group_id.is_not(None),
                Image.split.is_not(None),
                Image.in_benchmark,
            ),
        )
        .order_by(Image.id)
    )
    if image_ids is not None:
        statement = statement.where(Image.id.in_(id_rows(session, list(image_ids))))
    table = _table(session, statement, width=16)
    numbers, flags = table[:, :8].T.copy(), table[:, 8:].T.astype(np.bool_)
    return ImageColumns(*numbers, *flags)


def _table(session: Session, statement: Executable, *, width: int) -> Ints:
    """The rows of a statement of whole numbers, read in parts: a million Python tuples need not stand side by side."""
    read = session.execute(statement.execution_options(yield_per=_PART)).partitions()
    parts = [np.array([tuple(row) for row in rows], dtype=np.int64) for rows in read]
    return np.concatenate([np.zeros((0, width), dtype=np.int64), *parts])


def cluster_numbers(session: Session, columns: ImageColumns, project_id: int) -> Ints:
    """The embedding cluster of each row by the reference trunk, from 1; 0 where there is none yet."""
    numbers = np.zeros(len(columns), dtype=np.int64)
    trunk = reference_trunk(session, project_id)
    if trunk is None:
        return numbers
    own = (ImageCluster.project_id == project_id, ImageCluster.trunk_id == trunk.id)
    found = _table(session, select(ImageCluster.image_id, ImageCluster.cluster).where(*own), width=2)
    place = np.minimum(np.searchsorted(columns.id, found[:, 0]), max(len(columns) - 1, 0))
    known = columns.id[place] == found[:, 0] if len(columns) else np.zeros(len(found), dtype=np.bool_)
    numbers[place[known]] = found[known, 1] + 1
    return numbers


def labelled_images(session: Session, project_id: int) -> int:
    """How many images carry a label, by the kept counts."""
    of_project = (ImageCount.project_id == project_id, ImageCount.state == ImageState.LABELLED)
    return int(session.scalar(select(func.sum(ImageCount.images)).where(*of_project)) or 0)


def within_view(session: Session, columns: ImageColumns, project_id: int, chosen: ImageFilter) -> Flags:
    """Which rows match a filter."""
    query = select(Image.id).where(Image.project_id == project_id, Image.state == ImageState.LABELLED)
    found = np.fromiter(session.scalars(chosen.apply(query)), dtype=np.int64)
    return np.isin(columns.id, found)


def _place(column: SQLCoreOperations[Any], values: Sequence[str]) -> ColumnElement[int]:
    return case({value: place for place, value in enumerate(values)}, value=column)


def class_names(session: Session, project_id: int) -> dict[int, str]:
    """Names of the classes that train, by ascending id: those in use, but for the ones merged for a while."""
    in_use = LabelClass.archived_at.is_(None) & LabelClass.trained_as_id.is_(None)
    statement = (
        select(LabelClass.id, LabelClass.name)
        .where(LabelClass.project_id == project_id, in_use)
        .order_by(LabelClass.id)
    )
    return dict(session.execute(statement).all())


def trained_as(session: Session, project_id: int) -> dict[int, int]:
    """The classes that are merged for a while, each with the class it is trained as."""
    merged = LabelClass.archived_at.is_(None) & LabelClass.trained_as_id.is_not(None)
    rows = session.execute(
        select(LabelClass.id, LabelClass.trained_as_id).where(LabelClass.project_id == project_id, merged)
    )
    return {row.id: row.trained_as_id for row in rows if row.trained_as_id is not None}


def trained_as_then(session: Session, snapshot_id: int) -> dict[int, int]:
    """The same as a snapshot saw it: merges for a while that its versions keep after the classes were parted."""
    summary = session.scalar(select(Snapshot.summary).where(Snapshot.id == snapshot_id)) or {}
    return {int(class_id): as_id for class_id, as_id in summary.get("trained_as", {}).items()}


def sub_class_names(session: Session, project_id: int) -> dict[int, str]:
    """Names of the sub-classes of the project."""
    statement = (
        select(SubClass.id, SubClass.name)
        .join(LabelClass, LabelClass.id == SubClass.class_id)
        .where(LabelClass.project_id == project_id)
    )
    return dict(session.execute(statement).all())


def snapshot_before(session: Session, project_id: int, *, upper: int, include_small: bool) -> int | None:
    """The snapshot whose images come first: the newest with these choices, else the newest of all."""
    alike = (Snapshot.upper_cutoff == upper) & (Snapshot.include_small == include_small)
    return session.scalar(
        select(Snapshot.id)
        .where(Snapshot.project_id == project_id)
        .order_by(case((alike, 0), else_=1), Snapshot.id.desc())
        .limit(1)
    )


def ids_of_snapshot(session: Session, snapshot_id: int | None) -> Ints:
    """The images of a snapshot; none without one."""
    found = session.scalars(select(SnapshotImage.image_id).where(SnapshotImage.snapshot_id == snapshot_id))
    return np.fromiter(found, dtype=np.int64)


def get_snapshot(session: Session, snapshot_id: int, project_id: int) -> Snapshot:
    """The snapshot. Raises NotFound when the project has none of that id."""
    snapshot = session.get(Snapshot, snapshot_id)
    if snapshot is None or snapshot.project_id != project_id:
        raise NotFound(f"this project has no snapshot {snapshot_id}")
    return snapshot


SnapshotSort = Literal["id", "classes", "images", "lower", "upper"]


def snapshot_list(
    session: Session,
    project_id: int,
    *,
    before: int | None = None,
    sort: SnapshotSort = "id",
    down: bool = True,
    offset: int = 0,
    limit: int = 50,
) -> list[SnapshotFacts]:
    """Snapshots, the newest first unless sorted otherwise; `before` is the id that ended the page before."""
    made = select(func.count()).where(ModelVersion.snapshot_id == Snapshot.id).scalar_subquery()
    statement = select(Snapshot, User.name, made).outerjoin(User, User.id == Snapshot.created_by)
    statement = statement.where(Snapshot.project_id == project_id)
    if before is not None:
        statement = statement.where(Snapshot.id < before)
    column = {
        "id": Snapshot.id,
        "classes": Snapshot.classes,
        "images": Snapshot.images,
        "lower": Snapshot.lower_cutoff,
        "upper": Snapshot.upper_cutoff,
    }[sort]
    ordered = statement.order_by(column.desc() if down else column, Snapshot.id.desc())
    rows = session.execute(ordered.offset(offset).limit(limit))
    return [SnapshotFacts(*_facts(snapshot), name, versions) for snapshot, name, versions in rows]


def _facts(snapshot: Snapshot) -> tuple[int, str, int, int, bool, int, int, int, datetime]:
    return (
        snapshot.id,
        snapshot.fingerprint,
        snapshot.lower_cutoff,
        snapshot.upper_cutoff,
        snapshot.include_small,
        snapshot.seed,
        snapshot.images,
        snapshot.classes,
        snapshot.created_at,
    )


def snapshot_view(session: Session, snapshot_id: int, project_id: int) -> SnapshotView:
    """A snapshot for its page. Raises NotFound."""
    snapshot = get_snapshot(session, snapshot_id, project_id)
    maker = session.scalar(select(User.name).where(User.id == snapshot.created_by))
    summary = snapshot.summary
    classes = [
        ClassPreview(
            class_id=each.class_id,
            name=each.name,
            usable=each.usable,
            origins=tuple(summary["origins"].get(str(each.class_id), (0, 0, 0))),
            needs=each.needs,
            available=(0, 0, 0),
            taken=(each.train, each.validation, each.test),
            train_origins=tuple(summary.get("train_origins", {}).get(str(each.class_id), (0, 0, 0))),
            measured=each.measured,
        )
        for each in snapshot_classes(session, snapshot_id)
    ]
    merged = {int(class_id): as_id for class_id, as_id in summary.get("trained_as", {}).items()}
    sub_classes = [
        SubClassPreview(row["class_id"], row["sub_class_id"], row["name"], row["usable"], tuple(row["taken"]))
        for row in summary["sub_classes"]
    ]
    return SnapshotView(
        SnapshotFacts(*_facts(snapshot), maker),
        Preview(
            lower=snapshot.lower_cutoff,
            upper=snapshot.upper_cutoff,
            include_small=snapshot.include_small,
            classes=tuple(classes),
            sub_classes=tuple(sub_classes),
            left_out=summary["left_out"],
            trained_as=merged,
            view=ViewUsed(**summary["view"]) if summary.get("view") else None,
        ),
        _names_of(session, merged),
    )


def _names_of(session: Session, class_ids: Iterable[int]) -> dict[int, str]:
    wanted = LabelClass.id.in_(id_rows(session, list(class_ids)))
    return dict(session.execute(select(LabelClass.id, LabelClass.name).where(wanted)).all())


def snapshot_classes(session: Session, snapshot_id: int) -> Sequence[SnapshotClass]:
    """Every class as the snapshot saw it: the included ones in the order of the head, then those that lack images."""
    return session.scalars(
        select(SnapshotClass)
        .where(SnapshotClass.snapshot_id == snapshot_id)
        .order_by(SnapshotClass.position.is_(None), SnapshotClass.position, SnapshotClass.needs, SnapshotClass.name)
    ).all()


def manifest(session: Session, snapshot_id: int) -> Manifest:
    """What a snapshot trains and measures on, by column. Raises NotFound."""
    snapshot = session.get(Snapshot, snapshot_id)
    if snapshot is None:
        raise NotFound(f"there is no snapshot {snapshot_id}")
    included = tuple(
        ManifestClass(each.position, each.class_id, each.name, each.usable, each.measured)
        for each in snapshot_classes(session, snapshot_id)
        if each.position is not None
    )
    statement = (
        select(
            SnapshotImage.image_id,
            SnapshotImage.class_id,
            SnapshotClass.position,
            _place(SnapshotImage.split, SPLITS),
            SnapshotImage.rotation,
        )
        .join(
            SnapshotClass,
            (SnapshotClass.snapshot_id == SnapshotImage.snapshot_id)
            & (SnapshotClass.class_id == SnapshotImage.class_id),
        )
        .where(SnapshotImage.snapshot_id == snapshot_id)
        .order_by(SnapshotImage.image_id)
    )
    columns = _table(session, statement, width=5).T.copy()
    return Manifest(snapshot_id, snapshot.fingerprint, snapshot.include_small, included, *columns)


def lineage_snapshots(session: Session, version_id: int) -> list[int]:
    """Snapshots that the version or any of its ancestors was made from."""
    line = (
        select(ModelVersion.id, ModelVersion.parent_id, ModelVersion.snapshot_id)
        .where(ModelVersion.id == version_id)
        .cte("line", recursive=True)
    )
    parent = aliased(ModelVersion)
    line = line.union(select(parent.id, parent.parent_id, parent.snapshot_id).join(line, parent.id == line.c.parent_id))
    return list(session.scalars(select(line.c.snapshot_id).distinct()))


def exposed(session: Session, snapshot_ids: Iterable[int], image_ids: Sequence[int]) -> set[int]:
    """Those of `image_ids` that these snapshots trained or early-stopped on, themselves or by a duplicate.

    What a student was taught beside its snapshot counts too.
    """
    line = list(snapshot_ids)
    learnt = select(SnapshotImage.image_id).where(
        SnapshotImage.snapshot_id.in_(line), SnapshotImage.split.in_(("train", "validation"))
    )
    taught = select(TaughtImage.image_id).where(TaughtImage.snapshot_id.in_(line))
    seen = learnt.union(taught).subquery()
    wanted = id_rows(session, list(image_ids))
    mate = aliased(Image)
    directly = select(seen.c.image_id).where(seen.c.image_id.in_(wanted))
    by_mate = (
        select(Image.id)
        .join(mate, mate.duplicate_group_id == Image.duplicate_group_id)
        .join(seen, seen.c.image_id == mate.id)
        .where(Image.id.in_(wanted))
    )
    return set(session.scalars(directly)) | set(session.scalars(by_mate))
