"""When a picture had to make room: whoever looks for it is told why it is not there."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("frames", sa.Column("image_freed_at", sa.DateTime(timezone=True)))
