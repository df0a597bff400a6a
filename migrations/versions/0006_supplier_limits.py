"""How many calls a supplier takes in a minute.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("suppliers", sa.Column("requests_per_minute", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(
        op.f("ck_suppliers_requests_per_minute"), "suppliers", "requests_per_minute BETWEEN 0 AND 100000"
    )


def downgrade() -> None:
    op.drop_column("suppliers", "requests_per_minute")
