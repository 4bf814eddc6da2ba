"""How far the pictures are from those that a network knows."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the shift; it is measured when something is classified."""
    op.add_column("model", sa.Column("shift", sa.Float))
