"""Predictions of damaged files, which no policy may accept.

A file of an older inventory counts as whole until a scan reads it again; `tagger check`
finds such files.
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
    op.execute("CREATE INDEX prediction_damaged ON prediction (id) WHERE damaged = 1")


def downgrade() -> None:
    """Refuse: a copy of the file is made before every upgrade; go back to that."""
    raise NotImplementedError("restore the copy that was made before the upgrade")
