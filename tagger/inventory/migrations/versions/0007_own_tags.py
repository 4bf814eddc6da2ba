"""The tags that a shop added to those of its network."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the shop's own tags."""
    op.create_table(
        "own_tag",
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("added_at", sa.Text, nullable=False),
        sa.Column("added_by", sa.Text, nullable=False),
    )
