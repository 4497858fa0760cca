"""The tables, as the newest migration leaves them.

frames    one row for each outcome. (station, frame_id, variant) is unique: variant is '' for a verdict, a check (the
          verdict of a check part) or a drop, which claim the frame id, and the sha256 of the image for an error, which
          leaves the id to a better copy; that of the result where a frame without id has the bytes of an earlier one.
          duplicates counts the deliveries that came after the first.
outbox    what is committed and not yet confirmed by the broker, in order of id.
attempts  how often a redelivered frame was begun without an outcome: a frame that ends the process is seen here.
reviews   what operators said, one row for each disposition, undo or escape. The database refuses to change or delete
          one; they outlive the frames they speak of.
accounts, sessions, tokens   who may review; of passwords, cookies and tokens only hashes.
promotions                   which bank or thresholds a station was given, by whom and why; append-only like reviews.
account_changes              who made or changed which account, login link or token; append-only like reviews.
candidates                   banks that were built from dispositions, and what became of them.
removed   of each station, when the newest verdict came that retention has removed: all that came later are there. The
          rows that are left cannot tell: a station that flags all it sees looks like one whose ok frames are gone.

In frames, image is the suffix of the archived picture, None where it is not kept; image_freed_at: when it had to make
room for others, None where it never did. queued: an operator is asked for it (ng, uncertain, a sampled ok, an escape).
score_ratio, for queued frames, is the score over the ng threshold: it ranks frames of stations with different banks.
version counts dispositions: who decides names the version that was seen.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    and_,
    false,
    true,
)

HEAD = "0007"
"""The newest migration."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, also where the database knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Into UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Marked as UTC."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

_Key = BigInteger().with_variant(Integer, "sqlite")

frames = Table(
    "frames",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("result_id", String(36), nullable=False),
    Column("station", String(260), nullable=False),
    Column("frame_id", String(128), nullable=False),
    Column("variant", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),  # verdict, check, error, drop
    Column("word", String(32), nullable=False),  # the decision, or the reason of an error or a drop
    Column("sha256", String(64), nullable=False),
    Column("seq", BigInteger),
    Column("part_id", String(128)),
    Column("lot", String(128)),
    Column("recipe", String(128)),
    Column("score", Double),
    Column("p_value", Double),
    Column("bank_id", String(256)),
    Column("bank_digest", String(64)),
    Column("quarantine_id", String(512)),
    Column("captured_at", UtcDateTime),
    Column("received_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("document", Text),  # what was published, JSON
    Column("duplicates", Integer, nullable=False, default=0),
    Column("image", String(8)),
    Column("queued", Boolean, nullable=False, server_default=false()),
    Column("sampled", Boolean, nullable=False, server_default=false()),
    Column("score_ratio", Double),
    Column("disposition", String(16)),  # defect, false_alarm, unsure
    Column("defect_type", String(64)),
    Column("reviewer", String(64)),
    Column("reviewed_at", UtcDateTime),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("image_freed_at", UtcDateTime),
    UniqueConstraint("station", "frame_id", "variant", name="uq_frames_station_frame_id_variant"),
    sqlite_autoincrement=True,
)

queued: ColumnElement[bool] = frames.c.queued == true()
"""The frames that operators are asked for, and those they decided: what the indexes of the queue hold."""

unreviewed: ColumnElement[bool] = and_(queued, frames.c.disposition.is_(None))
"""The frames that wait for an operator."""

reviewed: ColumnElement[bool] = frames.c.disposition.is_not(None)
"""The frames about which somebody decided."""


def _index(name: str, *columns: str, where: ColumnElement[bool]) -> None:
    Index(f"ix_frames_{name}", *(frames.c[c] for c in columns), sqlite_where=where, postgresql_where=where)


# The queue is read in the order of an index. Behind it stand the columns that filters ask for: what does not fit is
# passed over without reading its row. The sets are disjoint, so that there is one index for each question. To be read
# alone, an index must hold what its own condition speaks of too.
_ASKED = ("station", "word", "score", "lot", "bank_id", "bank_digest")
_OPEN = (*_ASKED, "queued", "disposition")
_SAID = (*_ASKED, "disposition", "defect_type", "reviewer")

_index("open_worst", "score_ratio", "id", "received_at", *_OPEN, where=unreviewed)
_index("open_newest", "received_at", "id", *_OPEN, where=unreviewed)
_index("done_worst", "score_ratio", "id", "received_at", *_SAID, where=reviewed)
_index("done_newest", "received_at", "id", *_SAID, where=reviewed)
_index("queued", "id", where=queued)
_index("open_lot", "lot", "received_at", where=unreviewed)
_index("done_lot", "lot", "received_at", where=reviewed)
_index("reviewed", "reviewed_at", "station", where=reviewed)
_index("image", "sha256", where=frames.c.image.is_not(None))
_index("pictures", "id", where=frames.c.image.is_not(None))
_index("part", "part_id", where=frames.c.part_id.is_not(None))
_JUDGED = ("station", "received_at", "queued", "word", "sampled", "disposition", "defect_type", "bank_id", "score")
_index("judged", *_JUDGED, where=queued)
Index(
    "ix_frames_course",
    *(frames.c[c] for c in ("station", "outcome", "word", "received_at", "queued", "bank_id", "score")),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("topic", String(512), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

attempts = Table(
    "attempts",
    metadata,
    Column("station", String(260), primary_key=True),
    Column("frame_id", String(128), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
)

removed = Table(
    "removed",
    metadata,
    Column("station", String(260), primary_key=True),
    Column("received_at", UtcDateTime, nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("frame", _Key, nullable=False),  # frames.id; the frame may be gone
    Column("station", String(260), nullable=False),
    Column("frame_id", String(128), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("reviewer", String(64), nullable=False),
    Column("action", String(16), nullable=False),  # dispose, undo, escape
    Column("from_disposition", String(16)),
    Column("from_type", String(64)),
    Column("to_disposition", String(16)),
    Column("to_type", String(64)),
    Column("version", Integer, nullable=False),  # of the frame, afterwards
    Column("decision", String(32), nullable=False),
    Column("score", Double),
    Column("threshold_ok", Double),
    Column("threshold_ng", Double),
    Column("bank_id", String(256)),
    Column("bank_digest", String(64)),
    Column("note", Text),
    Column("batch", String(36)),
    UniqueConstraint("frame", "version", name="uq_reviews_frame_version"),
    Index("ix_reviews_at", "at"),
    Index("ix_reviews_batch", "batch"),
    Index("ix_reviews_reviewer", "reviewer", "id"),
    Index("ix_reviews_station", "station", "id"),
    sqlite_autoincrement=True,
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("password_hash", String(256), nullable=False),
    Column("role", String(16), nullable=False),  # viewer, operator, engineer, admin
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account", Integer, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("account", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    sqlite_autoincrement=True,
)

account_changes = Table(
    "account_changes",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(64), nullable=False),
    Column("account", String(64), nullable=False),  # its name, which stays taken
    Column("action", String(16), nullable=False),  # as store.account_change.AccountAction has it
    Column("detail", String(128)),
    sqlite_autoincrement=True,
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("station", String(260), nullable=False),
    Column("by", String(64), nullable=False),
    Column("action", String(16), nullable=False),  # promote, rollback, thresholds
    Column("from_id", String(256)),
    Column("from_digest", String(64)),
    Column("to_id", String(256), nullable=False),
    Column("to_digest", String(64), nullable=False),
    Column("reason", Text),
    Column("guard_missed", Integer, nullable=False, server_default="0"),
    Column("guard", Integer),  # confirmed defects that it was held against
    Index("ix_promotions_station", "station", "id"),
    sqlite_autoincrement=True,
)

candidates = Table(
    "candidates",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("by", String(64), nullable=False),
    Column("station", String(260), nullable=False),
    Column("path", String(1024), nullable=False),
    Column("base_digest", String(64), nullable=False),  # empty: there was no bank in use
    Column("digest", String(64)),
    Column("state", String(16), nullable=False),  # as store.candidates.CandidateState has it
    Column("document", Text, nullable=False, server_default="{}"),  # JSON: what went in, the shadow run, the fault
    Index("ix_candidates_station", "station", "id"),
    sqlite_autoincrement=True,
)
