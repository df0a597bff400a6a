"""Money by staff: approvals, and adjustments that happen once per reference.

Revision ID: 0010
Revises: 0009
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_transfers_topup_reference"), "transfers")
    op.create_check_constraint(
        op.f("ck_transfers_topup_reference"), "transfers", "kind <> 'topup' OR reference IS NOT NULL"
    )
    op.create_check_constraint(
        op.f("ck_transfers_reference_kinds"), "transfers", "kind IN ('topup', 'adjust') OR reference IS NULL"
    )
    op.create_index(
        "uq_transfers_adjust",
        "transfers",
        [sa.text("LEAST(debit_id, credit_id)"), sa.text("GREATEST(debit_id, credit_id)"), "reference"],
        unique=True,
        postgresql_where=sa.text("kind = 'adjust'"),
    )
    op.alter_column("transfers", "created_at", server_default=sa.text("clock_timestamp()"))
    op.create_table(
        "approvals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("previous", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("transfer_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('topup', 'adjust', 'reverse', 'credit_limit')", name=op.f("ck_approvals_kind")),
        sa.CheckConstraint("state IN ('waiting', 'approved', 'refused', 'withdrawn')", name=op.f("ck_approvals_state")),
        sa.CheckConstraint("(kind = 'reverse') = (order_id IS NOT NULL)", name=op.f("ck_approvals_order_kind")),
        sa.CheckConstraint(
            "(kind IN ('topup', 'adjust')) = (reference IS NOT NULL)", name=op.f("ck_approvals_reference_kinds")
        ),
        sa.CheckConstraint("(kind = 'credit_limit') = (previous IS NOT NULL)", name=op.f("ck_approvals_previous_kind")),
        sa.CheckConstraint("(state = 'waiting') = (decided_by IS NULL)", name=op.f("ck_approvals_decided_by")),
        sa.CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name=op.f("ck_approvals_decided_at")),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'refused') OR decided_by <> requested_by", name=op.f("ck_approvals_four_eyes")
        ),
        sa.CheckConstraint(
            "state <> 'withdrawn' OR decided_by = requested_by", name=op.f("ck_approvals_own_withdrawal")
        ),
        sa.CheckConstraint(
            "(state = 'approved' AND kind <> 'credit_limit') = (transfer_id IS NOT NULL)",
            name=op.f("ck_approvals_outcome"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_approvals_customer_id_customers")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_approvals_order_id_orders")),
        sa.ForeignKeyConstraint(["requested_by"], ["staff.id"], name=op.f("fk_approvals_requested_by_staff")),
        sa.ForeignKeyConstraint(["decided_by"], ["staff.id"], name=op.f("fk_approvals_decided_by_staff")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfers.id"], name=op.f("fk_approvals_transfer_id_transfers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint("transfer_id", name=op.f("uq_approvals_transfer_id")),
    )
    op.create_index(op.f("ix_approvals_customer_id"), "approvals", ["customer_id"])
    op.create_index("ix_approvals_state", "approvals", ["state", "id"])
    for name, columns, waiting in (
        ("reference", ["customer_id", "kind", "reference"], "reference IS NOT NULL"),
        ("reverse", ["order_id"], "kind = 'reverse'"),
        ("credit_limit", ["customer_id"], "kind = 'credit_limit'"),
    ):
        op.create_index(
            f"uq_approvals_{name}",
            "approvals",
            columns,
            unique=True,
            postgresql_where=sa.text(f"state = 'waiting' AND {waiting}"),
        )
    op.get_bind().connection.cursor().execute((SQL / "0010_money.sql").read_text())


def downgrade() -> None:
    raise RuntimeError("adjustments have references that the schema before has no place for: restore a backup instead")
