"""How the business goes hour by hour, for the dashboard.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Rows lie in the order of their making, so this little tells where an hour begins.
    for table, column in (("orders", "created_at"), ("order_events", "at")):
        op.create_index(
            f"ix_{table}_{column}", table, [column], postgresql_using="brin", postgresql_with={"autosummarize": "on"}
        )
    op.create_table(
        "hours",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("placed", sa.Integer(), nullable=False),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("taken_back", sa.Integer(), nullable=False),
        sa.Column("paid_in", sa.BigInteger(), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("given_back", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "currency", name=op.f("pk_hours")),
    )
    op.create_table(
        "hours_built",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("final_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_hours_built_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hours_built")),
    )


def downgrade() -> None:
    op.drop_table("hours_built")
    op.drop_table("hours")
    op.drop_index("ix_order_events_at", "order_events")
    op.drop_index("ix_orders_created_at", "orders")
