"""Predictions of damaged files, which no policy may accept.

A file of an older inventory counts as whole until a scan reads it again; `tagger check`
finds such files. What an older version could not read is read once more: this version
reads more formats, and goes by the content and not by the ending.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column; the few damaged files have an index."""
    op.add_column(
        "prediction",
        sa.Column("damaged", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    # Without a time, a file counts as changed, and the next scan reads it.
    op.execute(
        "UPDATE image SET mtime_ns = NULL "
        "WHERE state = 'unreadable' AND digest IS NOT NULL"
    )
    op.execute("CREATE INDEX prediction_damaged ON prediction (id) WHERE damaged = 1")


def downgrade() -> None:
    """Refuse: a copy of the file is made before every upgrade; go back to that."""
    raise NotImplementedError("restore the copy that was made before the upgrade")
