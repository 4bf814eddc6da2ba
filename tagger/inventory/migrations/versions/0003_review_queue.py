"""The review queue: decisions that tell more, and what waits for a person, kept ready.

`waiting` holds one row an image that is flagged and undecided. Triggers keep it, so
that it is right whoever writes: a scan, a reviewer, an import, an undo.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_VIEW = """
CREATE VIEW inventory AS
SELECT
  root.path AS root,
  image.path AS path,
  CASE WHEN decision.id IS NULL THEN prediction.tag ELSE decision.tag END AS tag,
  prediction.confidence AS confidence,
  image.flagged AND image.state = 'tagged' AND decision.id IS NULL AS flagged,
  CASE
    WHEN image.state <> 'tagged' THEN image.reason
    WHEN decision.id IS NULL THEN image.flag_reason
    WHEN decision.kind = 'not-a-catalogue-item' THEN 'not a catalogue item'
    ELSE ''
  END AS reason,
  CASE
    WHEN decision.id IS NOT NULL THEN 'person'
    WHEN prediction.id IS NOT NULL THEN 'machine'
  END AS decided_by,
  prediction.runner_up AS runner_up,
  prediction.margin AS margin,
  CASE
    WHEN image.state = 'tagged' AND decision.kind = 'not-a-catalogue-item'
    THEN 'ignored'
    ELSE image.state
  END AS state,
  image.digest AS digest,
  model.name AS model,
  max(image.updated_at, coalesce(decision.decided_at, '')) AS updated_at,
  prediction.tag AS machine_tag,
  decision.reviewer AS reviewer
FROM image
JOIN root ON root.id = image.root_id
LEFT JOIN prediction ON prediction.id = image.prediction_id
LEFT JOIN model ON model.id = prediction.model_id
LEFT JOIN decision ON decision.id = (
  SELECT newest.id FROM decision AS newest
  WHERE newest.digest = image.digest AND newest.undone_at IS NULL
  ORDER BY newest.decided_at DESC, newest.id DESC
  LIMIT 1
)
"""

_WAITS = """
  SELECT image.id, image.digest, prediction.confidence, prediction.margin
  FROM image JOIN prediction ON prediction.id = image.prediction_id
  WHERE image.state = 'tagged' AND image.flagged
    AND NOT EXISTS (
      SELECT 1 FROM decision
      WHERE decision.digest = image.digest AND decision.undone_at IS NULL
    )
"""

_TRIGGERS = (
    f"""
CREATE TRIGGER waiting_image_inserted AFTER INSERT ON image
WHEN new.state = 'tagged' AND new.flagged
BEGIN
  INSERT OR REPLACE INTO waiting (image_id, digest, confidence, margin)
  {_WAITS} AND image.id = new.id;
END
""",
    f"""
CREATE TRIGGER waiting_image_updated
AFTER UPDATE OF state, flagged, digest, prediction_id ON image
WHEN old.flagged OR new.flagged
BEGIN
  DELETE FROM waiting WHERE image_id = new.id;
  INSERT INTO waiting (image_id, digest, confidence, margin)
  {_WAITS} AND image.id = new.id;
END
""",
    """
CREATE TRIGGER waiting_image_deleted AFTER DELETE ON image
BEGIN
  DELETE FROM waiting WHERE image_id = old.id;
END
""",
    """
CREATE TRIGGER waiting_decided AFTER INSERT ON decision WHEN new.undone_at IS NULL
BEGIN
  DELETE FROM waiting WHERE digest = new.digest;
END
""",
    f"""
CREATE TRIGGER waiting_decision_changed AFTER UPDATE OF undone_at, digest ON decision
BEGIN
  DELETE FROM waiting WHERE digest IN (old.digest, new.digest);
  INSERT INTO waiting (image_id, digest, confidence, margin)
  {_WAITS} AND image.digest IN (old.digest, new.digest);
END
""",
    f"""
CREATE TRIGGER waiting_decision_deleted AFTER DELETE ON decision
BEGIN
  DELETE FROM waiting WHERE digest = old.digest;
  INSERT INTO waiting (image_id, digest, confidence, margin)
  {_WAITS} AND image.digest = old.digest;
END
""",
)


def upgrade() -> None:
    """Add what a review needs, and fill the queue from what is there."""
    op.add_column(
        "decision",
        sa.Column("source", sa.Text, nullable=False, server_default="review"),
    )
    op.add_column("decision", sa.Column("machine_tag", sa.Text))
    op.execute(
        "UPDATE decision SET machine_tag = (SELECT prediction.tag FROM image "
        "JOIN prediction ON prediction.id = image.prediction_id "
        "WHERE image.digest = decision.digest LIMIT 1)"
    )
    op.create_table(
        "note",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("written_at", sa.Text, nullable=False),
    )
    op.create_index("note_digest", "note", ["digest"])
    op.create_table(
        "waiting",
        sa.Column("image_id", sa.Integer, sa.ForeignKey("image.id"), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("margin", sa.Float, nullable=False),
    )
    op.create_index("waiting_confidence", "waiting", ["confidence", "image_id"])
    op.create_index("waiting_margin", "waiting", ["margin", "image_id"])
    op.create_index("waiting_digest", "waiting", ["digest", "image_id"])
    op.create_table(
        "lease",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("sitting", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("until", sa.Text, nullable=False),
    )
    op.create_index("lease_sitting", "lease", ["sitting"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("drawn_at", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("accepted", sa.Integer, nullable=False),
    )
    op.create_table(
        "sampled",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("audit_id", sa.Integer, sa.ForeignKey("audit.id"), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column(
            "prediction_id", sa.Integer, sa.ForeignKey("prediction.id"), nullable=False
        ),
        sa.Column("decision_id", sa.Integer, sa.ForeignKey("decision.id")),
        sa.UniqueConstraint("audit_id", "digest"),
    )
    op.create_index("sampled_decision", "sampled", ["decision_id"])
    op.create_table(
        "fingerprint",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("bits", sa.BigInteger, nullable=False),
    )
    op.execute("DROP VIEW inventory")
    op.execute(_VIEW)
    for trigger in _TRIGGERS:
        op.execute(trigger)
    op.execute(f"INSERT INTO waiting (image_id, digest, confidence, margin) {_WAITS}")


def downgrade() -> None:
    """Refuse: a copy of the file is made before every upgrade; go back to that."""
    raise NotImplementedError("restore the copy that was made before the upgrade")
