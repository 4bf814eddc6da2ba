"""What became of every attempt to learn from this inventory's decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the promotions, refusals and roll-backs of networks."""
    op.create_table(
        "adaptation",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "promoted",
                "refused",
                "rolled-back",
                native_enum=False,
                create_constraint=True,
                name="outcome",
            ),
            nullable=False,
        ),
        sa.Column("bundle", sa.Text, nullable=False),
        sa.Column("beside", sa.Boolean, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("parent_digest", sa.String(64), nullable=False),
        sa.Column("decisions", sa.Integer, nullable=False),
        sa.Column("newest_decision_id", sa.Integer, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
