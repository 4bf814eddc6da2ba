"""Which recipe prepared the picture that a decision keeps.

Networks are right only about pictures prepared as those that they learnt from: what was
prepared by another recipe is prepared anew, where its file is still there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Name the recipe; all that was kept before was made by the first one."""
    op.add_column(
        "decision",
        sa.Column("preparing", sa.Text, nullable=False, server_default="views28-1"),
    )
