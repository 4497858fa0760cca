"""Indexes from which the figures are counted, and the audit is filtered, without reading the rows."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

QUEUED = "queued = true"


def upgrade() -> None:
    # SQLite uses a partial index for a query that has the same words: SQLAlchemy says 1 for true there.
    held = sa.text("queued = 1" if op.get_bind().dialect.name == "sqlite" else QUEUED)
    op.create_index(
        "ix_frames_course", "frames", ("station", "outcome", "word", "received_at", "queued", "bank_id", "score")
    )
    op.create_index(
        "ix_frames_judged",
        "frames",
        ("station", "received_at", "queued", "word", "sampled", "disposition", "defect_type", "bank_id", "score"),
        sqlite_where=held,
        postgresql_where=held,
    )
    op.create_index("ix_reviews_reviewer", "reviews", ("reviewer", "id"))
    op.create_index("ix_reviews_station", "reviews", ("station", "id"))
