"""The tables, as the newest migration leaves them.

frames    one row for each outcome. (station, frame_id, variant) is unique: variant is '' for a verdict or a drop, which
          claim the frame id, and the sha256 of the image for an error, which leaves the id to a better copy.
          duplicates counts the deliveries that came after the first.
outbox    what is committed and not yet confirmed by the broker, in order of id.
attempts  how often a redelivered frame was begun without an outcome: a frame that ends the process is seen here.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

HEAD = "0001"
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
    Column("outcome", String(16), nullable=False),  # verdict, error, drop
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
    UniqueConstraint("station", "frame_id", "variant", name="uq_frames_station_frame_id_variant"),
    sqlite_autoincrement=True,
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
