"""A shop's own mix of tags, and what becomes of predictions by it.

`mix` holds what was estimated of a root's pictures for a network; the newest is in
force. `prediction.adjusted` are the probabilities by that mix, beside those that the
network gave, and the prediction's tag, confidence, runner-up and margin are read off
them. So these may change, and triggers keep what was counted and what waits in step.
`kind_tag` says which tag a kind of thing has here for which the network has none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_TRIGGERS = (
    """
CREATE TRIGGER counted_prediction_updated AFTER UPDATE OF tag ON prediction
WHEN old.tag <> new.tag
BEGIN
  INSERT INTO counted (root_id, state, tag, flagged, number)
  SELECT root_id, state, new.tag, flagged, count(*) FROM image
  WHERE prediction_id = new.id GROUP BY root_id, state, flagged
  ON CONFLICT (root_id, state, tag, flagged)
  DO UPDATE SET number = number + excluded.number;
  UPDATE counted SET number = number - (
    SELECT count(*) FROM image
    WHERE prediction_id = new.id AND image.root_id = counted.root_id
      AND image.state = counted.state AND image.flagged = counted.flagged
  )
  WHERE tag = old.tag;
  DELETE FROM counted WHERE tag = old.tag AND number = 0;
END
""",
    """
CREATE TRIGGER waiting_prediction_updated
AFTER UPDATE OF confidence, margin ON prediction
WHEN (old.confidence, old.margin) IS NOT (new.confidence, new.margin)
BEGIN
  UPDATE waiting SET confidence = new.confidence, margin = new.margin
  WHERE image_id IN (SELECT id FROM image WHERE prediction_id = new.id);
END
""",
)


def upgrade() -> None:
    """Add the tables and columns; nothing is adjusted before the next scan."""
    op.create_table(
        "mix",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("root_id", sa.Integer, sa.ForeignKey("root.id"), nullable=False),
        sa.Column("model_id", sa.Integer, sa.ForeignKey("model.id"), nullable=False),
        sa.Column("since", sa.Text, nullable=False),
        sa.Column("pictures", sa.Integer, nullable=False),
        sa.Column("shares", sa.JSON, nullable=False),
        sa.Column("prior", sa.JSON, nullable=False),
    )
    op.create_index("mix_model", "mix", ["model_id", "root_id"])
    op.create_table(
        "kind_tag",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("mapped_at", sa.Text, nullable=False),
        sa.Column("mapped_by", sa.Text, nullable=False),
    )
    op.add_column("prediction", sa.Column("adjusted", sa.LargeBinary))
    op.add_column("prediction", sa.Column("adjusted_by", sa.Text))
    for trigger in _TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    """Refuse: a copy of the file is made before every upgrade; go back to that."""
    raise NotImplementedError("restore the copy that was made before the upgrade")
