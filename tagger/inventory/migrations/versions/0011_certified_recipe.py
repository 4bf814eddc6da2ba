"""Which recipe prepared the pictures that a certificate speaks for.

What audits proved of a network, they proved of it and of how pictures were prepared for
it: by another recipe it says something else of some of them, with another confidence.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Name the recipe; what was certified before holds no longer, to be safe."""
    op.add_column(
        "certificate",
        sa.Column("preparing", sa.Text, nullable=False, server_default="views28-1"),
    )
