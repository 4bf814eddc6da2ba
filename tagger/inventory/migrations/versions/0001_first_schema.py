"""The first schema.

A revision says all it does in its own words: the models of today may not be those of
the day it is run.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

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
  SELECT max(newest.id) FROM decision AS newest
  WHERE newest.digest = image.digest AND newest.undone_at IS NULL
)
"""


def upgrade() -> None:
    """Make every table and the view."""
    op.create_table(
        "root",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", sa.Text, nullable=False, unique=True),
        sa.Column("scanned_at", sa.Text),
    )
    op.create_table(
        "model",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("labels", sa.JSON, nullable=False),
    )
    op.create_table(
        "prediction",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("model_id", sa.Integer, sa.ForeignKey("model.id"), nullable=False),
        sa.Column("preparing", sa.Text, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("runner_up", sa.Text, nullable=False),
        sa.Column("margin", sa.Float, nullable=False),
        sa.Column("probabilities", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("digest", "model_id", "preparing"),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
        sa.CheckConstraint("margin BETWEEN 0 AND 1", name="margin"),
    )
    op.create_table(
        "image",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("root_id", sa.Integer, sa.ForeignKey("root.id"), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64)),
        sa.Column("size", sa.BigInteger),
        sa.Column("mtime_ns", sa.BigInteger),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("flagged", sa.Boolean, nullable=False),
        sa.Column("flag_reason", sa.Text, nullable=False),
        sa.Column("prediction_id", sa.Integer, sa.ForeignKey("prediction.id")),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("format", sa.Text),
        sa.Column("first_seen", sa.Text, nullable=False),
        sa.Column("last_seen", sa.Text),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.UniqueConstraint("root_id", "path"),
        sa.CheckConstraint(
            "state IN ('tagged', 'unreadable', 'missing', 'unsettled', 'ignored')",
            name="state",
        ),
        sa.CheckConstraint(
            "state <> 'tagged' OR prediction_id IS NOT NULL", name="tagged_by_something"
        ),
    )
    op.create_index("image_digest", "image", ["digest"])
    op.create_index("image_prediction", "image", ["prediction_id"])
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("tag", sa.Text),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("decided_at", sa.Text, nullable=False),
        sa.Column("undone_at", sa.Text),
        sa.Column("prepared", sa.LargeBinary),
        sa.CheckConstraint(
            "kind IN ('accept', 'correct', 'not-a-catalogue-item')",
            name="decisionkind",
        ),
        sa.CheckConstraint(
            "(kind = 'not-a-catalogue-item') = (tag IS NULL)", name="tag_fits_kind"
        ),
    )
    op.create_index("decision_digest", "decision", ["digest"])
    op.create_table(
        "run",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Text),
        sa.Column("exit_code", sa.Integer),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("counts", sa.JSON),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("image_id", sa.Integer, sa.ForeignKey("image.id"), nullable=False),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("event_image", "event", ["image_id"])
    op.create_table(
        "policy",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model_id", sa.Integer, sa.ForeignKey("model.id"), nullable=False),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("margin", sa.Float, nullable=False),
        sa.Column("since", sa.Text, nullable=False),
    )
    op.execute(_VIEW)


def downgrade() -> None:
    """Refuse: a copy of the file is made before every upgrade; go back to that."""
    raise NotImplementedError("restore the copy that was made before the upgrade")
