"""Against how many confirmed defects a bank was held when it was taken into use; nothing where nobody asked."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("promotions", sa.Column("guard", sa.Integer))
