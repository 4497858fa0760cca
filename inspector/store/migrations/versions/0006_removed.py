"""Up to when retention removed verdicts of a station: rates of a time that lost some of its frames are none."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "removed",
        sa.Column("station", sa.String(260), primary_key=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    )
