"""Ledger, outbox, attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "frames",
        sa.Column("id", key, primary_key=True, autoincrement=True),
        sa.Column("result_id", sa.String(36), nullable=False),
        sa.Column("station", sa.String(260), nullable=False),
        sa.Column("frame_id", sa.String(128), nullable=False),
        sa.Column("variant", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("word", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger),
        sa.Column("part_id", sa.String(128)),
        sa.Column("lot", sa.String(128)),
        sa.Column("recipe", sa.String(128)),
        sa.Column("score", sa.Double),
        sa.Column("p_value", sa.Double),
        sa.Column("bank_id", sa.String(256)),
        sa.Column("bank_digest", sa.String(64)),
        sa.Column("quarantine_id", sa.String(512)),
        sa.Column("captured_at", moment),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.Column("document", sa.Text),
        sa.Column("duplicates", sa.Integer, nullable=False),
        sa.UniqueConstraint("station", "frame_id", "variant", name="uq_frames_station_frame_id_variant"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbox",
        sa.Column("id", key, primary_key=True, autoincrement=True),
        sa.Column("topic", sa.String(512), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "attempts",
        sa.Column("station", sa.String(260), primary_key=True),
        sa.Column("frame_id", sa.String(128), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )
