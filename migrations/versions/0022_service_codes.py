"""Services may have a code, by which programs know them.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("services", sa.Column("code", sa.Text(), nullable=True))
    op.create_unique_constraint(op.f("uq_services_code"), "services", ["code"])
    op.create_check_constraint(op.f("ck_services_code"), "services", "code ~ '^[a-z][a-z0-9-]{1,59}$'")


def downgrade() -> None:
    op.drop_column("services", "code")
