"""What was exported under a mark, and how a root's files name their items."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the marks of exports, and the pattern of items of a root."""
    op.create_table(
        "exported",
        sa.Column("mark", sa.Text, primary_key=True),
        sa.Column(
            "image_id",
            sa.Integer,
            sa.ForeignKey("image.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("fingerprint", sa.BigInteger, nullable=False),
    )
    op.create_index("exported_image", "exported", ["image_id"])
    op.add_column("root", sa.Column("item_pattern", sa.Text))
