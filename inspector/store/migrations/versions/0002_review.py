"""Review: what operators are asked and what they said, accounts, promotions, candidates."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPEN = "queued = true AND disposition IS NULL"
DONE = "disposition IS NOT NULL"
QUEUED = "queued = true"

ASKED = ("station", "word", "score", "lot", "bank_id", "bank_digest")
ASKED_OPEN = (*ASKED, "queued", "disposition")
ASKED_DONE = (*ASKED, "disposition", "defect_type", "reviewer")

INDEXES = (
    ("ix_frames_open_worst", ("score_ratio", "id", "received_at", *ASKED_OPEN), OPEN),
    ("ix_frames_open_newest", ("received_at", "id", *ASKED_OPEN), OPEN),
    ("ix_frames_done_worst", ("score_ratio", "id", "received_at", *ASKED_DONE), DONE),
    ("ix_frames_done_newest", ("received_at", "id", *ASKED_DONE), DONE),
    ("ix_frames_queued", ("id",), QUEUED),
    ("ix_frames_open_lot", ("lot", "received_at"), OPEN),
    ("ix_frames_done_lot", ("lot", "received_at"), DONE),
    ("ix_frames_reviewed", ("reviewed_at", "station"), DONE),
    ("ix_frames_image", ("sha256",), "image IS NOT NULL"),
    ("ix_frames_pictures", ("id",), "image IS NOT NULL"),
    ("ix_frames_part", ("part_id",), "part_id IS NOT NULL"),
)

APPEND_ONLY = ("reviews", "promotions")


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    moment = sa.DateTime(timezone=True)
    for column in (
        sa.Column("image", sa.String(8)),
        sa.Column("queued", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("sampled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("score_ratio", sa.Double),
        sa.Column("disposition", sa.String(16)),
        sa.Column("defect_type", sa.String(64)),
        sa.Column("reviewer", sa.String(64)),
        sa.Column("reviewed_at", moment),
        sa.Column("version", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("frames", column)
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name, columns, where in INDEXES:
        # SQLite uses a partial index for a query that has the same words: SQLAlchemy says 1 for true there.
        held = sa.text(where.replace("true", "1") if sqlite else where)
        op.create_index(name, "frames", columns, sqlite_where=held, postgresql_where=held)
    op.create_table(
        "reviews",
        sa.Column("id", key, primary_key=True, autoincrement=True),
        sa.Column("frame", key, nullable=False),
        sa.Column("station", sa.String(260), nullable=False),
        sa.Column("frame_id", sa.String(128), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("from_disposition", sa.String(16)),
        sa.Column("from_type", sa.String(64)),
        sa.Column("to_disposition", sa.String(16)),
        sa.Column("to_type", sa.String(64)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("decision", sa.String(32), nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("threshold_ok", sa.Double),
        sa.Column("threshold_ng", sa.Double),
        sa.Column("bank_id", sa.String(256)),
        sa.Column("bank_digest", sa.String(64)),
        sa.Column("note", sa.Text),
        sa.Column("batch", sa.String(36)),
        sa.UniqueConstraint("frame", "version", name="uq_reviews_frame_version"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reviews_at", "reviews", ("at",))
    op.create_index("ix_reviews_batch", "reviews", ("batch",))
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(256), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("disabled_at", moment),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("account", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
    )
    op.create_index("ix_sessions_account", "sessions", ("account",))
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("account", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment),
        sa.Column("revoked_at", moment),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "promotions",
        sa.Column("id", key, primary_key=True, autoincrement=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("station", sa.String(260), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("from_id", sa.String(256)),
        sa.Column("from_digest", sa.String(64)),
        sa.Column("to_id", sa.String(256), nullable=False),
        sa.Column("to_digest", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("guard_missed", sa.Integer, nullable=False, server_default="0"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_promotions_station", "promotions", ("station", "id"))
    op.create_table(
        "candidates",
        sa.Column("id", key, primary_key=True, autoincrement=True),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("station", sa.String(260), nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("base_digest", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("document", sa.Text, nullable=False, server_default="{}"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_candidates_station", "candidates", ("station", "id"))
    if sqlite:
        _append_only_in_sqlite()
    else:
        _append_only_in_postgresql()


def _append_only_in_sqlite() -> None:
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _append_only_in_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION inspector_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION inspector_append_only()"
        )
