"""Files: which of them a service takes, and how those of no order are found.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "services", sa.Column("extensions", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    for column in ("file_id", "result_file_id"):
        op.create_index(f"ix_orders_{column}", "orders", [column], postgresql_where=sa.text(f"{column} IS NOT NULL"))


def downgrade() -> None:
    for column in ("file_id", "result_file_id"):
        op.drop_index(f"ix_orders_{column}", "orders")
    op.drop_column("services", "extensions")
