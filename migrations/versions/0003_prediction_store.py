"""How predictions lie: by their key on SQLite, a partition for each job on PostgreSQL; kept counts for what is there.

Written by hand: autogenerate knows neither WITHOUT ROWID nor partitions, and `env.py` leaves this table to us.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PLACES = range(1, 6)
_INDEXES = {
    "class": "job_id, class_1, confidence_1, image_id",
    "confidence": "job_id, confidence_1, image_id",
    "margin": "job_id, margin, image_id",
    "entropy": "job_id, entropy, image_id",
}
# SQLite: jobs with so many rows have indexes of their own, as app/predictions/indexing.py gives them.
_LARGE = 20_000
_PARTITION = """
CREATE FUNCTION make_prediction_partition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE prediction_job_%s (LIKE prediction INCLUDING DEFAULTS)', NEW.id);
    EXECUTE format('ALTER TABLE prediction ATTACH PARTITION prediction_job_%s FOR VALUES IN (%s)', NEW.id, NEW.id);
    RETURN NULL;
END $$
"""
_COUNTED = """
INSERT INTO prediction_count (job_id, class_id, state, origin, images)
SELECT p.job_id, p.class_1, i.state, i.origin, count(*)
FROM prediction p JOIN image i ON i.id = p.image_id JOIN scoring_job j ON j.id = p.job_id
WHERE j.purpose = 'identification' GROUP BY p.job_id, p.class_1, i.state, i.origin
"""


def _columns() -> list[sa.Column]:
    """The table's columns, in the order they always had."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return [
        sa.Column("job_id", big, nullable=False),
        sa.Column("image_id", big, nullable=False),
        sa.Column("rotation", sa.SmallInteger(), nullable=False),
        *(sa.Column(f"class_{place}", sa.Integer(), nullable=place > 1) for place in _PLACES),
        *(sa.Column(f"confidence_{place}", sa.Double(), nullable=place > 1) for place in _PLACES),
        sa.Column("margin", sa.Double(), nullable=False),
        sa.Column("entropy", sa.Double(), nullable=False),
    ]


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _set_aside(*indexes: str) -> None:
    """The old table under another name, without what has names of its own."""
    for index in indexes:
        op.execute(f"DROP INDEX IF EXISTS {index}")
    op.rename_table("prediction", "prediction_before")
    if not _is_sqlite():
        op.execute("ALTER TABLE prediction_before RENAME CONSTRAINT pk_prediction TO pk_prediction_before")


def _take_over() -> None:
    op.execute("INSERT INTO prediction SELECT * FROM prediction_before ORDER BY job_id, image_id")
    op.drop_table("prediction_before")


def upgrade() -> None:
    """Apply."""
    _set_aside(*(f"ix_prediction_{name}" for name in (*_INDEXES, "image")))
    op.create_table(
        "prediction",
        *_columns(),
        sa.PrimaryKeyConstraint("job_id", "image_id", name=op.f("pk_prediction")),
        sqlite_with_rowid=False,
        postgresql_partition_by="LIST (job_id)",
    )
    if not _is_sqlite():
        for name, columns in _INDEXES.items():
            op.execute(f"CREATE INDEX ix_prediction_{name} ON prediction ({columns})")
        op.execute(_PARTITION)
        op.execute(
            "CREATE TRIGGER make_prediction_partition AFTER INSERT ON scoring_job"
            " FOR EACH ROW EXECUTE FUNCTION make_prediction_partition()"
        )
        for job_id in op.get_bind().scalars(sa.text("SELECT id FROM scoring_job")).all():
            op.execute(f"CREATE TABLE prediction_job_{job_id} PARTITION OF prediction FOR VALUES IN ({job_id})")
    _take_over()
    if _is_sqlite():
        large = f"SELECT job_id FROM prediction GROUP BY job_id HAVING count(*) >= {_LARGE}"  # noqa: S608
        for job_id in op.get_bind().scalars(sa.text(large)).all():
            for name, columns in _INDEXES.items():
                op.execute(
                    f"CREATE INDEX ix_prediction_{job_id}_{name} ON prediction ({columns}) WHERE job_id = {job_id}"
                )
    op.execute(_COUNTED)


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM prediction_count")
    if _is_sqlite():
        own = "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'ix\\_prediction\\_%' ESCAPE '\\'"
        own += " AND tbl_name = 'prediction'"
        _set_aside(*op.get_bind().scalars(sa.text(own)).all())
    else:
        op.execute("DROP TRIGGER make_prediction_partition ON scoring_job")
        op.execute("DROP FUNCTION make_prediction_partition()")
        _set_aside(*(f"ix_prediction_{name}" for name in _INDEXES))
    columns = [column for column in _columns() if not column.name.startswith("class_")]
    classes = [
        sa.Column(f"class_{place}", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=place > 1)
        for place in _PLACES
    ]
    op.create_table(
        "prediction",
        *columns[:3],
        *classes,
        *columns[3:],
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_prediction_image_id")),
        sa.ForeignKeyConstraint(["job_id"], ["scoring_job.id"], name=op.f("fk_prediction_job_id")),
        sa.PrimaryKeyConstraint("job_id", "image_id", name=op.f("pk_prediction")),
    )
    _take_over()
    for name, indexed in _INDEXES.items():
        op.execute(f"CREATE INDEX ix_prediction_{name} ON prediction ({indexed})")
    op.execute("CREATE INDEX ix_prediction_image ON prediction (image_id, job_id)")
