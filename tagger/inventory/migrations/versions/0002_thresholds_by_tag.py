"""A policy may give single tags a threshold of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the thresholds by tag; the policies of before had none."""
    op.add_column(
        "policy", sa.Column("tags", sa.JSON, nullable=False, server_default="{}")
    )
