"""Reading benchmark sets: the newest versions, their images with truth, which versions have seen them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.errors import NotFound
from app.datasets.models import BenchmarkImage, BenchmarkSet
from app.datasets.queries import exposed, lineage_snapshots
from app.labelling.models import LabelClass
from app.library.models import Image
from app.registry.models import ModelVersion

RECENT_VERSIONS = 10


@dataclass(frozen=True, slots=True)
class SetView:
    """A version of a benchmark set; `none_of_them` counts images that show none of the classes."""

    id: int
    name: str
    version: int
    is_tuning: bool
    images: int
    classes: int
    none_of_them: int
    created_by: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SetImage:
    """An image of a set; `truth` is None for "none of the classes"."""

    image_id: int
    truth: str | None
    rotation: int
    has_picture: bool
    quality: str | None


@dataclass(frozen=True, slots=True)
class Exposure:
    """How many images of a set a model version or its ancestors learnt from."""

    number: int
    images: int


def _views(session: Session, *where: ColumnElement[bool]) -> list[SetView]:
    counted = (
        select(
            BenchmarkImage.set_id,
            func.count().label("images"),
            func.count(BenchmarkImage.class_id.distinct()).label("classes"),
            (func.count() - func.count(BenchmarkImage.class_id)).label("none_of_them"),
        )
        .group_by(BenchmarkImage.set_id)
        .subquery()
    )
    statement = (
        select(BenchmarkSet, counted.c.images, counted.c.classes, counted.c.none_of_them, User.name)
        .join(counted, counted.c.set_id == BenchmarkSet.id)
        .outerjoin(User, User.id == BenchmarkSet.created_by)
        .where(*where)
        .order_by(BenchmarkSet.name)
    )
    return [_view(row) for row in session.execute(statement)]


def _view(row: Row[BenchmarkSet, int, int, int, str | None]) -> SetView:
    made, images, classes, none_of_them, by = row
    return SetView(made.id, made.name, made.version, made.is_tuning, images, classes, none_of_them, by, made.created_at)


def newest_sets(session: Session, project_id: int) -> list[SetView]:
    """The newest version of each set, by name."""
    newest = select(func.max(BenchmarkSet.id)).where(BenchmarkSet.project_id == project_id).group_by(BenchmarkSet.name)
    return _views(session, BenchmarkSet.id.in_(newest))


def set_view(session: Session, set_id: int, project_id: int) -> SetView:
    """One version of a set. Raises NotFound when the project has none of that id."""
    found = _views(session, BenchmarkSet.id == set_id, BenchmarkSet.project_id == project_id)
    if not found:
        raise NotFound(f"this project has no benchmark set {set_id}")
    return found[0]


def set_images(session: Session, set_id: int, *, after: int | None = None, limit: int = 96) -> list[SetImage]:
    """Images of a set by ascending id; `after` is the id that ended the page before."""
    statement = (
        select(BenchmarkImage.image_id, LabelClass.name, Image.rotation, Image.thumbnail_pack, Image.quality)
        .join(Image, Image.id == BenchmarkImage.image_id)
        .outerjoin(LabelClass, LabelClass.id == BenchmarkImage.class_id)
        .where(BenchmarkImage.set_id == set_id)
    )
    if after is not None:
        statement = statement.where(BenchmarkImage.image_id > after)
    rows = session.execute(statement.order_by(BenchmarkImage.image_id).limit(limit))
    return [SetImage(image_id, name, turn, pack is not None, quality) for image_id, name, turn, pack, quality in rows]


def exposure(session: Session, set_id: int, project_id: int) -> list[Exposure]:
    """For the newest versions of the project: how many of the set's images they cannot be measured on."""
    image_ids = list(session.scalars(select(BenchmarkImage.image_id).where(BenchmarkImage.set_id == set_id)))
    versions = session.execute(
        select(ModelVersion.id, ModelVersion.number)
        .where(ModelVersion.project_id == project_id)
        .order_by(ModelVersion.number.desc())
        .limit(RECENT_VERSIONS)
    ).all()
    counted = (
        Exposure(number, len(exposed(session, lineage_snapshots(session, version_id), image_ids)))
        for version_id, number in versions
    )
    return [each for each in counted if each.images]


def classes_by_name(session: Session, project_id: int) -> list[tuple[int, str]]:
    """Classes in use, for a choice."""
    rows = session.execute(
        select(LabelClass.id, LabelClass.name)
        .where(LabelClass.project_id == project_id, LabelClass.archived_at.is_(None))
        .order_by(LabelClass.name)
    )
    return [(class_id, name) for class_id, name in rows]
