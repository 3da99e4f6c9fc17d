"""Create the table of outcomes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "cardiograph_outcomes",
        sa.Column("prediction_id", sa.String(32), primary_key=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(64)),
        sa.Column("content", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Raise an error: a downgrade would delete records."""
    message = "downgrade is not supported; delete the database to start over"
    raise NotImplementedError(message)
