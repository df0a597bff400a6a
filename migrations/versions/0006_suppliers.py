"""How many calls a supplier takes in a minute, and how staff read what it says.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("suppliers", sa.Column("requests_per_minute", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(
        op.f("ck_suppliers_requests_per_minute"), "suppliers", "requests_per_minute BETWEEN 0 AND 100000"
    )
    wording = sa.Column("wording", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("suppliers", wording)


def downgrade() -> None:
    op.drop_column("suppliers", "wording")
    op.drop_column("suppliers", "requests_per_minute")
