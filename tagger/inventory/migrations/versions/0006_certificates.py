"""Certificates, and what an audit was drawn from, without which it proves nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_DRAWN = """
UPDATE audit SET model_id = (
  SELECT prediction.model_id FROM sampled
  JOIN prediction ON prediction.id = sampled.prediction_id
  WHERE sampled.audit_id = audit.id
  ORDER BY sampled.id
  LIMIT 1
)
"""

_DRAWN_BY = """
UPDATE audit SET drawn_by = (
  SELECT json_object(
    'threshold', policy.threshold, 'margin', policy.margin, 'tags', json(policy.tags)
  )
  FROM policy
  WHERE policy.model_id = audit.model_id AND policy.since <= audit.drawn_at
  ORDER BY policy.id DESC
  LIMIT 1
)
"""


def upgrade() -> None:
    """Add certificates; the audits there are were drawn by the policy of their day."""
    op.create_table(
        "certificate",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model_id", sa.Integer, sa.ForeignKey("model.id"), nullable=False),
        sa.Column("made_at", sa.Text, nullable=False),
        sa.Column("precision", sa.Float, nullable=False),
        sa.Column("certainty", sa.Float, nullable=False),
        sa.Column("policy", sa.JSON),
        sa.Column("claims", sa.JSON, nullable=False),
        sa.Column("pictures", sa.Integer, nullable=False),
        sa.Column("accepts", sa.Float, nullable=False),
        sa.Column("accepted_before", sa.Float, nullable=False),
    )
    op.create_index("certificate_model", "certificate", ["model_id"])
    op.execute("ALTER TABLE audit ADD COLUMN model_id INTEGER REFERENCES model (id)")
    op.add_column("audit", sa.Column("drawn_by", sa.JSON))
    op.add_column("audit", sa.Column("least", sa.Float))
    op.add_column("audit", sa.Column("tag", sa.Text))
    op.add_column(
        "sampled",
        sa.Column("again", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.execute(_DRAWN)
    op.execute(_DRAWN_BY)
