"""Names of classes, as the library needs them to compare and to show.

The tables belong to labelling, which lies above the library; they are read here by name, as the image's foreign keys
are, and never written.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

LABEL_CLASS = sa.table(
    "label_class", sa.column("id", sa.Integer), sa.column("project_id", sa.Integer), sa.column("name", sa.String)
)
SUB_CLASS = sa.table(
    "sub_class", sa.column("id", sa.Integer), sa.column("class_id", sa.Integer), sa.column("name", sa.String)
)


class LabelNames(NamedTuple):
    """A label in words."""

    class_name: str
    sub_class_name: str | None


def class_names(session: Session, project_id: int) -> dict[int, str]:
    """Name of each class of the project, by id, in the order of names."""
    query = sa.select(LABEL_CLASS.c.id, LABEL_CLASS.c.name).where(LABEL_CLASS.c.project_id == project_id)
    return dict(session.execute(query.order_by(LABEL_CLASS.c.name)).all())


def sub_class_names(session: Session, project_id: int) -> dict[int, LabelNames]:
    """Each sub-class of the project, by id, with its class."""
    query = (
        sa.select(SUB_CLASS.c.id, LABEL_CLASS.c.name, SUB_CLASS.c.name)
        .join_from(SUB_CLASS, LABEL_CLASS, SUB_CLASS.c.class_id == LABEL_CLASS.c.id)
        .where(LABEL_CLASS.c.project_id == project_id)
        .order_by(LABEL_CLASS.c.name, SUB_CLASS.c.name)
    )
    return {sub_class_id: LabelNames(name, sub) for sub_class_id, name, sub in session.execute(query)}
