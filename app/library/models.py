"""Tables of the library: images, where they came from, how they group, and the counts kept of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Table

# Compared byte by byte on every database, so that a range of an index holds exactly what begins alike.
_BINARY_TEXT = String().with_variant(String(collation="C"), "postgresql")


class ImageState(StrEnum):
    """product.md's states of an image, one at a time."""

    POOL = "pool"
    LABELLED = "labelled"
    UNKNOWN = "unknown"
    NONE = "none"
    REMOVED = "removed"
    QUARANTINED = "quarantined"


class Source(StrEnum):
    """The way by which an image first came."""

    IMPORT = "import"
    UPLOAD = "upload"
    SERVED = "served"


class Origin(StrEnum):
    """How a picture came to be."""

    REAL = "real"
    STAGED = "staged"
    SYNTHETIC = "synthetic"


# What waits for a label, as SQL: the condition of a partial index, so a query must use this very text.
IN_QUEUE = "state = 'pool' AND is_representative AND (quality IS NULL OR quality = 'good')"
NOT_GOOD_REASONS = ("blurred", "dark", "obscured", "several_subjects", "not_upright", "irrelevant")


USABLE = text(
    "state = 'labelled' AND is_representative AND NOT in_benchmark AND NOT is_retired AND NOT leaked"
    " AND (quality IS NULL OR quality = 'good')"
)
"""What cutoffs count: the condition of an index, to be used in the very same words."""


def _some(name: str, *columns: str, where: str, lite: str | None = None) -> Index:
    """An index of the images that meet a condition; `lite` where SQLite writes it otherwise."""
    return Index(name, *columns, sqlite_where=text(lite or where), postgresql_where=text(where))


def _flagged(flag: str) -> Index:
    """The few images of a project that carry a flag, in the order of pages."""
    return _some(f"ix_image_{flag}", "project_id", "id", where=flag, lite=f"{flag} = 1")


class Image(Table):
    """One image of a project, by the SHA-256 of its bytes; the current label is that of its last label event.

    `quality` is NULL (nobody has judged), 'good' or one of NOT_GOOD_REASONS. `rotation` is clockwise degrees that a
    reviewer added to EXIF. `split` is drawn once and kept for ever; `leaked` retires it from measuring.
    """

    __tablename__ = "image"
    __table_args__ = (
        UniqueConstraint("project_id", "sha256"),
        CheckConstraint("state IN ('pool','labelled','unknown','none','removed','quarantined')", name="state"),
        CheckConstraint("origin IN ('real','staged','synthetic')", name="origin"),
        CheckConstraint("source IN ('import','upload','served')", name="source"),
        CheckConstraint("split IN ('train','validation','test')", name="split"),
        CheckConstraint("rotation IN (0,90,180,270)", name="rotation"),
        CheckConstraint("(state = 'labelled') = (class_id IS NOT NULL)", name="labelled_has_class"),
        Index("ix_image_browse", "project_id", "state", "id"),
        Index("ix_image_class", "project_id", "class_id", "id"),
        Index("ix_image_newest", "project_id", "id"),
        Index(
            "ix_image_queue", "project_id", "state", "id", sqlite_where=text(IN_QUEUE), postgresql_where=text(IN_QUEUE)
        ),
        Index(
            "ix_image_grouped",
            "project_id",
            "duplicate_group_id",
            "is_representative",
            sqlite_where=text("duplicate_group_id IS NOT NULL"),
            postgresql_where=text("duplicate_group_id IS NOT NULL"),
        ),
        _some(
            "ix_image_divided",
            "project_id",
            "duplicate_group_id",
            "class_id",
            where="duplicate_group_id IS NOT NULL AND class_id IS NOT NULL",
        ),
        Index("ix_image_usable", "project_id", "class_id", sqlite_where=USABLE, postgresql_where=USABLE),
        _some("ix_image_duplicate_group_id", "duplicate_group_id", where="duplicate_group_id IS NOT NULL"),
        _some("ix_image_capture_group_id", "capture_group_id", where="capture_group_id IS NOT NULL"),
        _some("ix_image_quality", "project_id", "quality", "id", where="quality IS NOT NULL"),
        _some("ix_image_sub_class", "project_id", "sub_class_id", "id", where="sub_class_id IS NOT NULL"),
        _some("ix_image_split", "project_id", "split", "id", where="split IS NOT NULL"),
        _some("ix_image_labelled_by", "project_id", "labelled_by", "id", where="labelled_by IS NOT NULL"),
        _some("ix_image_labelled_how", "project_id", "labelled_how", "id", where="labelled_how IS NOT NULL"),
        _some("ix_image_labelled_at", "project_id", "labelled_at", where="labelled_at IS NOT NULL"),
        _some("ix_image_origin", "project_id", "origin", "id", where="origin <> 'real'"),
        _some("ix_image_source", "project_id", "source", "id", where="source <> 'import'"),
        _flagged("is_small_subject"),
        _flagged("is_reviewed"),
        _flagged("in_benchmark"),
        _flagged("leaked"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    sha256: Mapped[str]
    state: Mapped[str] = mapped_column(default=ImageState.POOL)
    origin: Mapped[str] = mapped_column(default=Origin.REAL)
    source: Mapped[str] = mapped_column(default=Source.IMPORT)
    class_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    sub_class_id: Mapped[int | None] = mapped_column(ForeignKey("sub_class.id"))
    label_version: Mapped[int] = mapped_column(default=0)
    last_event_id: Mapped[int | None]
    labelled_at: Mapped[datetime | None]
    labelled_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    labelled_how: Mapped[str | None]
    is_reviewed: Mapped[bool] = mapped_column(default=False)
    quality: Mapped[str | None]
    is_small_subject: Mapped[bool] = mapped_column(default=False)
    rotation: Mapped[int] = mapped_column(SmallInteger, default=0)
    split: Mapped[str | None]
    leaked: Mapped[bool] = mapped_column(default=False)
    is_retired: Mapped[bool] = mapped_column(default=False)
    in_benchmark: Mapped[bool] = mapped_column(default=False)
    duplicate_group_id: Mapped[int | None] = mapped_column(ForeignKey("duplicate_group.id"))
    is_representative: Mapped[bool] = mapped_column(default=True)
    capture_group_id: Mapped[int | None] = mapped_column(ForeignKey("capture_group.id"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id"))
    file_name: Mapped[str]
    byte_count: Mapped[int]
    format: Mapped[str | None]
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    short_side: Mapped[int | None] = mapped_column(Integer)
    aspect: Mapped[float | None]
    phash: Mapped[int | None]
    sharpness: Mapped[float | None]
    brightness: Mapped[float | None]
    contrast: Mapped[float | None]
    captured_at: Mapped[str | None]
    camera: Mapped[str | None]
    thumbnail_pack: Mapped[str | None]
    thumbnail_offset: Mapped[int | None]
    thumbnail_length: Mapped[int | None]
    rendition_pack: Mapped[str | None]
    rendition_offset: Mapped[int | None]
    rendition_length: Mapped[int | None]
    quarantine_reason: Mapped[str | None]
    created_at: Mapped[datetime]


class ImageMeasure(Table):
    """What was measured of an image at import, once and for ever: found by it here, beside the image.

    PostgreSQL writes every index of a table anew for each row that it changes; labels change images, but never these.
    `hash_0` to `hash_3` are the four parts of the perceptual hash.
    """

    __tablename__ = "image_measure"
    __table_args__ = (
        *(Index(f"ix_image_measure_{name}", "project_id", name) for name in ("hash_0", "hash_1", "hash_2", "hash_3")),
        *(
            Index(f"ix_image_measure_{name}", "project_id", name, "image_id")
            for name in ("sharpness", "brightness", "contrast", "short_side", "aspect")
        ),
        _some("ix_image_measure_shot", "project_id", "camera", "captured_at", where="camera IS NOT NULL"),
        _some("ix_image_measure_captured", "project_id", "captured_at", where="captured_at IS NOT NULL"),
    )

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    phash: Mapped[int | None]
    hash_0: Mapped[int | None] = mapped_column(Integer)
    hash_1: Mapped[int | None] = mapped_column(Integer)
    hash_2: Mapped[int | None] = mapped_column(Integer)
    hash_3: Mapped[int | None] = mapped_column(Integer)
    sharpness: Mapped[float | None]
    brightness: Mapped[float | None]
    contrast: Mapped[float | None]
    short_side: Mapped[int | None] = mapped_column(Integer)
    aspect: Mapped[float | None]
    captured_at: Mapped[str | None]
    camera: Mapped[str | None]


class ImportBatch(Table):
    """One import: a folder, an archive or an upload, and what became of its files."""

    __tablename__ = "import_batch"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    origin: Mapped[str]
    added: Mapped[int] = mapped_column(default=0)
    known: Mapped[int] = mapped_column(default=0)
    quarantined: Mapped[int] = mapped_column(default=0)
    labelled: Mapped[int] = mapped_column(default=0)
    conflicts: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]


class ImageSource(Table):
    """Each time the bytes arrived: which batch (or served request), under which name, with which label.

    Unique by batch and name, so that a repeated delivery of the same import records nothing twice.
    """

    __tablename__ = "image_source"
    __table_args__ = (
        UniqueConstraint("batch_id", "name"),
        Index("ix_image_source_arrived", "batch_id", "image_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), index=True)
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id"))
    transaction_id: Mapped[str | None] = mapped_column(unique=True)
    name: Mapped[str]
    class_name: Mapped[str | None]
    sub_class_name: Mapped[str | None]
    created_at: Mapped[datetime]


class ImageWord(Table):
    """The file name of an image from each of its words on, in lower case: what a search by its beginning looks up."""

    __tablename__ = "image_word"
    __table_args__ = (Index("ix_image_word_found", "project_id", "word", "image_id"), {"sqlite_with_rowid": False})

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    word: Mapped[str] = mapped_column(_BINARY_TEXT, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))


class MetadataColumn(Table):
    """A column that imports brought beside the label: a site, a date, a camera, anything."""

    __tablename__ = "metadata_column"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str]


class ImageMetadata(Table):
    """What a metadata column says of an image."""

    __tablename__ = "image_metadata"
    __table_args__ = (Index("ix_image_metadata_value", "column_id", "value", "image_id"),)

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    column_id: Mapped[int] = mapped_column(ForeignKey("metadata_column.id"), primary_key=True)
    value: Mapped[str]


class LabelConflict(Table):
    """Known bytes arrived under another label than they carry: nothing changed, a person settles it."""

    __tablename__ = "label_conflict"
    __table_args__ = (
        UniqueConstraint("image_id", "class_name", "sub_class_name"),
        _some("ix_label_conflict_open", "project_id", "id", where="settled_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    class_name: Mapped[str]
    sub_class_name: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class DuplicateGroup(Table):
    """Images that show the same picture. One representative trains; splits go by group.

    `representative_id` is the image that a person chose to stand for it; `settled_at` is when one confirmed the group.
    """

    __tablename__ = "duplicate_group"
    __table_args__ = (
        _some("ix_duplicate_group_open", "project_id", "id", where="settled_at IS NULL"),
        _some("ix_duplicate_group_settled", "project_id", "id", where="settled_at IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    representative_id: Mapped[int | None]
    settled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class CaptureGroup(Table):
    """Images of one burst, session or site: not independent, so they never straddle a split."""

    __tablename__ = "capture_group"
    __table_args__ = (UniqueConstraint("project_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    key: Mapped[str]


class SavedView(Table):
    """A filter with a name, shared by the project's members: what stands behind the ? of a library address.

    A deleted one keeps its row: it can come back, and what was made from it still says which it was.
    """

    __tablename__ = "saved_view"
    __table_args__ = (
        Index(
            "uq_saved_view_name",
            "project_id",
            "name",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    name: Mapped[str]
    query: Mapped[str]
    size: Mapped[str | None]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class ImageCount(Table):
    """Kept counts by class, state and origin (class 0: none), changed in the transaction that changes the images."""

    __tablename__ = "image_count"

    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), primary_key=True)
    class_id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    origin: Mapped[str] = mapped_column(primary_key=True)
    images: Mapped[int] = mapped_column(default=0)
