"""How many services a supplier lists is counted in an index, not in its catalogue.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_remote_services_listed", "remote_services", ["supplier_id"], postgresql_where=sa.text("removed_at IS NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_remote_services_listed", "remote_services")
