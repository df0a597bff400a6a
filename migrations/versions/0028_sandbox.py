"""The sandbox, whose orders nobody is charged for, and callbacks of single orders.

Revision ID: 0028
Revises: 0027
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"

_NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "sandbox_orders",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=2_000_000_000), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="accepted", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closes_after", sa.Integer(), nullable=True),
        sa.Column("asked", sa.Integer(), server_default="0", nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('accepted', 'in_progress', 'completed', 'rejected')", name=op.f("ck_sandbox_orders_state")
        ),
        sa.CheckConstraint("outcome IN ('completed', 'rejected')", name=op.f("ck_sandbox_orders_outcome")),
        sa.CheckConstraint("num_nonnulls(closes_at, closes_after) = 1", name=op.f("ck_sandbox_orders_closes")),
        sa.CheckConstraint(
            "(state IN ('completed', 'rejected')) = (closed_at IS NOT NULL)", name=op.f("ck_sandbox_orders_closed_at")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_sandbox_orders_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_sandbox_orders_service_id_services")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_orders")),
    )
    op.create_index("ix_sandbox_orders_customer_id", "sandbox_orders", ["customer_id", "id"])
    op.create_index(
        "ix_sandbox_orders_fingerprint",
        "sandbox_orders",
        ["customer_id", "fingerprint"],
        postgresql_where=sa.text("device <> ''"),
    )
    op.create_index(
        "ix_sandbox_orders_closes_at", "sandbox_orders", ["closes_at"], postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index("ix_sandbox_orders_created_at", "sandbox_orders", ["created_at"])
    op.get_bind().connection.cursor().execute((SQL / "0028_sandbox.sql").read_text())


def downgrade() -> None:
    raise RuntimeError("the order path writes events with callbacks from here on: restore a backup instead")
