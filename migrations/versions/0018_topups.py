"""How customers pay in: methods, packages, and what they say they have paid.

Revision ID: 0018
Revises: 0017
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.create_table(
        "payment_methods",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("min_amount", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("max_amount", sa.BigInteger(), nullable=True),
        sa.Column("fee_percent", sa.Numeric(precision=5, scale=3), server_default="0", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_payment_methods_currency")),
        sa.CheckConstraint("fee_percent >= 0 AND fee_percent < 100", name=op.f("ck_payment_methods_fee_percent")),
        sa.CheckConstraint(
            "min_amount > 0 AND (max_amount IS NULL OR max_amount >= min_amount)",
            name=op.f("ck_payment_methods_amounts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_methods")),
        sa.UniqueConstraint("name", name=op.f("uq_payment_methods_name")),
    )
    op.create_table(
        "topup_packages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("pay", sa.BigInteger(), nullable=False),
        sa.Column("credit", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_topup_packages_currency")),
        sa.CheckConstraint("pay > 0 AND credit > 0", name=op.f("ck_topup_packages_amounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topup_packages")),
        sa.UniqueConstraint("name", name=op.f("uq_topup_packages_name")),
    )
    op.create_table(
        "topup_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("method_id", sa.BigInteger(), nullable=False),
        sa.Column("package_id", sa.BigInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("credit", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("approval_id", sa.BigInteger(), nullable=True),
        sa.Column("credited", sa.BigInteger(), nullable=True),
        sa.Column("transfer_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("(state = 'approved') = (credited IS NOT NULL)", name=op.f("ck_topup_requests_credited")),
        sa.CheckConstraint("(state = 'approved') = (transfer_id IS NOT NULL)", name=op.f("ck_topup_requests_transfer")),
        sa.CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name=op.f("ck_topup_requests_decided_at")),
        sa.CheckConstraint("(state = 'waiting') = (decided_by IS NULL)", name=op.f("ck_topup_requests_decided_by")),
        sa.CheckConstraint(
            "state <> 'refused' OR (reason <> '' AND approval_id IS NULL)", name=op.f("ck_topup_requests_refused")
        ),
        sa.CheckConstraint("state IN ('waiting', 'approved', 'refused')", name=op.f("ck_topup_requests_state")),
        sa.CheckConstraint("amount > 0 AND credit > 0", name=op.f("ck_topup_requests_amounts")),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approvals.id"], name=op.f("fk_topup_requests_approval_id_approvals")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_topup_requests_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["staff.id"], name=op.f("fk_topup_requests_decided_by_staff")),
        sa.ForeignKeyConstraint(
            ["method_id"], ["payment_methods.id"], name=op.f("fk_topup_requests_method_id_payment_methods")
        ),
        sa.ForeignKeyConstraint(
            ["package_id"], ["topup_packages.id"], name=op.f("fk_topup_requests_package_id_topup_packages")
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name=op.f("fk_topup_requests_transfer_id_transfers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topup_requests")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_topup_requests_approval_id")),
        sa.UniqueConstraint("transfer_id", name=op.f("uq_topup_requests_transfer_id")),
    )
    op.create_index("ix_topup_requests_customer_id", "topup_requests", ["customer_id", "id"], unique=False)
    op.create_index(op.f("ix_topup_requests_method_id"), "topup_requests", ["method_id"], unique=False)
    op.create_index(op.f("ix_topup_requests_package_id"), "topup_requests", ["package_id"], unique=False)
    op.create_index("ix_topup_requests_state", "topup_requests", ["state", "id"], unique=False)
    op.get_bind().connection.cursor().execute((SQL / "0018_topups.sql").read_text())


def downgrade() -> None:
    raise RuntimeError("what customers paid in was credited by requests that the schema before has no place for")
