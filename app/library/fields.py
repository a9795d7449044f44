"""What images can be filtered by, as far as the library itself knows them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import Session

from app.core.texts import tr
from app.library import conditions
from app.library.class_names import class_names, sub_class_names
from app.library.grammar import (
    Choice,
    Family,
    Field,
    Values,
    at_least,
    by_measure,
    day,
    flag,
    indexed,
    is_any,
    limits,
    number_id,
    one_of,
    text_up_to,
    yes_or_no,
)
from app.library.metadata import MOST_VALUE, metadata_columns, metadata_values
from app.library.models import (
    NOT_GOOD_REASONS,
    Image,
    ImageMeasure,
    ImageMetadata,
    ImageState,
    ImportBatch,
    Origin,
    Source,
)
from app.library.names import is_named_like, named_like

HIDDEN: Final = (ImageState.REMOVED.value, ImageState.QUARANTINED.value)
_SPLITS: Final = ("train", "validation", "test")
_BATCHES_OFFERED: Final = 50
_LARGEST: Final = 1e9


def state_words() -> dict[str, str]:
    """The states in words."""
    return {
        ImageState.POOL: tr("Pool"),
        ImageState.LABELLED: tr("Labelled"),
        ImageState.UNKNOWN: tr("Unknown"),
        ImageState.NONE: tr("None of the classes"),
        ImageState.REMOVED: tr("Removed"),
        ImageState.QUARANTINED: tr("Quarantined"),
    }


def quality_words() -> dict[str, str]:
    """Verdicts on quality in words."""
    return {
        "good": tr("good"),
        "not_good": tr("not good, any reason"),
        "unjudged": tr("not judged yet"),
        "blurred": tr("not good: blurred"),
        "dark": tr("not good: dark"),
        "obscured": tr("not good: obscured"),
        "several_subjects": tr("not good: several subjects"),
        "not_upright": tr("not good: not upright"),
        "irrelevant": tr("not good: irrelevant"),
    }


def _metadata_field(column_id: int) -> Field:
    def condition(values: Values) -> ColumnElement[bool]:
        return exists().where(
            ImageMetadata.image_id == Image.id,
            ImageMetadata.column_id == column_id,
            ImageMetadata.value == values[0],
        )

    def ids(project_id: int, values: Values) -> Select[int]:  # noqa: ARG001 - a column is of one project
        return select(ImageMetadata.image_id).where(
            ImageMetadata.column_id == column_id, ImageMetadata.value == values[0]
        )

    def choices(session: Session, project_id: int) -> list[Choice]:  # noqa: ARG001 - a column is of one project
        return [(value, value) for value in metadata_values(session, column_id)]

    return Field(
        f"meta_{column_id}",
        lambda: tr("Metadata"),
        "metadata",
        text_up_to(MOST_VALUE),
        condition,
        ids,
        in_order=True,
        kind="text",
        choices=choices,
    )


def _class_choices(session: Session, project_id: int) -> list[Choice]:
    return [(str(number), name) for number, name in class_names(session, project_id).items()]


def _sub_class_choices(session: Session, project_id: int) -> list[Choice]:
    return [
        (str(number), f"{names.class_name} · {names.sub_class_name}")
        for number, names in sub_class_names(session, project_id).items()
    ]


def _batch_choices(session: Session, project_id: int) -> list[Choice]:
    query = select(ImportBatch.id, ImportBatch.name).where(ImportBatch.project_id == project_id)
    rows = session.execute(query.order_by(ImportBatch.id.desc()).limit(_BATCHES_OFFERED))
    return [(str(number), name) for number, name in rows]


FIELDS: Final = (
    Field(
        "state",
        lambda: tr("State"),
        "label",
        one_of("any", *(state.value for state in ImageState)),
        conditions.state,
        conditions.in_state,
        in_order=True,
        many=True,
        choices=lambda *_: [("any", tr("any state")), *state_words().items()],
    ),
    Field(
        "class_id",
        lambda: tr("Class"),
        "label",
        number_id,
        is_any(Image.class_id),
        indexed(is_any(Image.class_id)),
        in_order=True,
        many=True,
        choices=_class_choices,
    ),
    Field(
        "sub_class_id",
        lambda: tr("Sub-class"),
        "label",
        number_id,
        is_any(Image.sub_class_id),
        indexed(is_any(Image.sub_class_id), Image.sub_class_id.is_not(None)),
        in_order=True,
        many=True,
        choices=_sub_class_choices,
    ),
    flag("reviewed", lambda: tr("Reviewed"), "label", Image.is_reviewed),
    Field(
        "conflict",
        lambda: tr("Label conflict"),
        "label",
        yes_or_no,
        lambda values: conditions.has_conflict() if values[0] else ~conditions.has_conflict(),
        conditions.conflicts,
        kind="yes_no",
    ),
    Field(
        "quality",
        lambda: tr("Quality"),
        "picture",
        one_of("good", "not_good", "unjudged", *NOT_GOOD_REASONS),
        conditions.quality,
        conditions.judged,
        in_order=True,
        many=True,
        choices=lambda *_: list(quality_words().items()),
    ),
    flag("is_small_subject", lambda: tr("Small subject"), "picture", Image.is_small_subject),
    *limits(
        "sharpness",
        (lambda: tr("Sharpness at least"), lambda: tr("Sharpness at most")),
        between=(0, _LARGEST),
    ),
    *limits(
        "brightness",
        (lambda: tr("Brightness at least"), lambda: tr("Brightness at most")),
        between=(0, 1),
    ),
    *limits(
        "contrast",
        (lambda: tr("Contrast at least"), lambda: tr("Contrast at most")),
        between=(0, 1),
    ),
    *limits(
        "short_side",
        (lambda: tr("Shorter side at least (px)"), lambda: tr("Shorter side at most (px)")),
        between=(0, _LARGEST),
    ),
    *limits(
        "aspect",
        (lambda: tr("Width over height at least"), lambda: tr("Width over height at most")),
        between=(0, _LARGEST),
    ),
    Field(
        "origin",
        lambda: tr("Origin"),
        "origin",
        one_of(*(origin.value for origin in Origin)),
        is_any(Image.origin),
        conditions.origins,
        in_order=True,
        many=True,
        choices=lambda *_: [
            (Origin.REAL, tr("real")),
            (Origin.STAGED, tr("staged")),
            (Origin.SYNTHETIC, tr("synthetic")),
        ],
    ),
    Field(
        "source",
        lambda: tr("Source"),
        "origin",
        one_of(*(source.value for source in Source)),
        is_any(Image.source),
        conditions.sources,
        in_order=True,
        many=True,
        choices=lambda *_: [
            (Source.IMPORT, tr("import")),
            (Source.UPLOAD, tr("upload")),
            (Source.SERVED, tr("served")),
        ],
    ),
    Field(
        "batch_id",
        lambda: tr("Import"),
        "origin",
        number_id,
        conditions.of_batch,
        conditions.arrived,
        in_order=True,
        many=True,
        choices=_batch_choices,
    ),
    Field(
        "captured_from",
        lambda: tr("Captured from"),
        "origin",
        day,
        at_least(Image.captured_at),
        by_measure(at_least(ImageMeasure.captured_at)),
        kind="date",
    ),
    Field(
        "captured_to",
        lambda: tr("Captured to"),
        "origin",
        day,
        conditions.until(Image.captured_at),
        by_measure(conditions.until(ImageMeasure.captured_at)),
        kind="date",
    ),
    Field(
        "camera",
        lambda: tr("Camera"),
        "origin",
        text_up_to(200),
        is_any(Image.camera),
        by_measure(is_any(ImageMeasure.camera)),
        kind="text",
    ),
    Field(
        "text",
        lambda: tr("File name"),
        "origin",
        text_up_to(200),
        lambda values: is_named_like(values[0]),
        lambda project_id, values: named_like(project_id, values[0]),
        kind="text",
    ),
    Field(
        "sha256",
        lambda: tr("SHA-256 begins with"),
        "origin",
        conditions.digest,
        conditions.has_digest,
        indexed(conditions.has_digest),
        kind="text",
    ),
    Field(
        "transaction_id",
        lambda: tr("Transaction"),
        "origin",
        text_up_to(64),
        conditions.served_as,
        conditions.by_transaction,
        kind="text",
    ),
    Field(
        "duplicate",
        lambda: tr("Duplicates"),
        "groups",
        one_of("none", "representative", "duplicate"),
        conditions.duplicate,
        conditions.grouped,
        many=True,
        choices=lambda *_: [
            ("none", tr("has none")),
            ("representative", tr("represents its group")),
            ("duplicate", tr("duplicate of another")),
        ],
    ),
    Field(
        "has_duplicates",
        lambda: tr("Has duplicates"),
        "groups",
        yes_or_no,
        conditions.has_duplicates,
        conditions.with_duplicates,
        kind="yes_no",
    ),
    Field(
        "duplicate_group_id",
        lambda: tr("Duplicate group"),
        "groups",
        number_id,
        is_any(Image.duplicate_group_id),
        indexed(is_any(Image.duplicate_group_id)),
        kind="number",
    ),
    Field(
        "capture_group_id",
        lambda: tr("Capture group"),
        "groups",
        number_id,
        is_any(Image.capture_group_id),
        indexed(is_any(Image.capture_group_id)),
        kind="number",
    ),
    Field(
        "split",
        lambda: tr("Split"),
        "data_sets",
        one_of("none", *_SPLITS),
        conditions.split,
        conditions.drawn,
        in_order=True,
        many=True,
        choices=lambda *_: [
            ("train", tr("train")),
            ("validation", tr("validation")),
            ("test", tr("test")),
            ("none", tr("not drawn yet")),
        ],
    ),
    flag("in_benchmark", lambda: tr("In a benchmark set"), "data_sets", Image.in_benchmark),
    flag("leaked", lambda: tr("Retired from measuring"), "data_sets", Image.leaked),
)

FAMILIES: Final = (Family("meta_", _metadata_field, metadata_columns),)
