"""How many images stand alike, kept ready: a status need not go through them all.

`counted` holds one row a root, state, tag of the machine and whether it is flagged,
with the number of such images. Triggers keep it, whoever writes images. The tag of a
prediction is written once, so that nothing need be counted anew for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_COLUMNS = "root_id, state, tag, flagged, number"


def _tag(row: str) -> str:
    return f"""coalesce(
    (SELECT prediction.tag FROM prediction WHERE prediction.id = {row}.prediction_id),
    ''
  )"""


_MORE = f"""
  INSERT INTO counted ({_COLUMNS})
  VALUES (new.root_id, new.state, {_tag("new")}, new.flagged, 1)
  ON CONFLICT (root_id, state, tag, flagged) DO UPDATE SET number = number + 1;
"""

_LESS = f"""
  UPDATE counted SET number = number - 1
  WHERE root_id = old.root_id AND state = old.state AND flagged = old.flagged
  AND tag = {_tag("old")};
  DELETE FROM counted WHERE root_id = old.root_id AND number = 0;
"""

_TRIGGERS = (
    f"""
CREATE TRIGGER counted_image_inserted AFTER INSERT ON image
BEGIN {_MORE} END
""",
    f"""
CREATE TRIGGER counted_image_updated
AFTER UPDATE OF root_id, state, flagged, prediction_id ON image
WHEN (old.root_id, old.state, old.flagged, old.prediction_id)
  IS NOT (new.root_id, new.state, new.flagged, new.prediction_id)
BEGIN {_LESS} {_MORE} END
""",
    f"""
CREATE TRIGGER counted_image_deleted AFTER DELETE ON image
BEGIN {_LESS} END
""",
)


def upgrade() -> None:
    """Count what there is, and have it counted from now on."""
    op.create_table(
        "counted",
        sa.Column("root_id", sa.Integer, sa.ForeignKey("root.id"), primary_key=True),
        sa.Column("state", sa.String(10), primary_key=True),
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("flagged", sa.Boolean, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
    )
    op.execute(
        f"INSERT INTO counted ({_COLUMNS}) "
        f"SELECT root_id, state, {_tag('image')}, flagged, count(*) "
        "FROM image GROUP BY 1, 2, 3, 4"
    )
    for trigger in _TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    """Refuse: a copy of the file is made before every upgrade; go back to that."""
    raise NotImplementedError("restore the copy that was made before the upgrade")
