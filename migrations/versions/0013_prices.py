"""Prices made from costs by rules, the changes that wait, and every price that ever was.

Revision ID: 0013
Revises: 0012
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
MAX_PRICE = 1_000_000_000_000


def upgrade() -> None:
    for table in ("services", "group_prices"):
        op.add_column(table, sa.Column("price_source", sa.Text(), server_default="manual", nullable=False))
        op.create_check_constraint(op.f(f"ck_{table}_price_source"), table, "price_source IN ('manual', 'rule')")
    op.create_table(
        "markup_rules",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("price_group_id", sa.BigInteger(), nullable=True),
        sa.Column("service_group_id", sa.BigInteger(), nullable=True),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("basis_points", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fixed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("floor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("least_margin", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rounding_step", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("rounding_ending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("up_percent", sa.Integer(), server_default="20", nullable=True),
        sa.Column("down_percent", sa.Integer(), server_default="20", nullable=True),
        sa.Column("cost_basis", sa.Text(), server_default="dearest", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("num_nonnulls(service_group_id, service_id) <= 1", name=op.f("ck_markup_rules_scope")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_markup_rules_currency")),
        sa.CheckConstraint("basis_points BETWEEN 0 AND 1000000", name=op.f("ck_markup_rules_basis_points")),
        sa.CheckConstraint(f"fixed BETWEEN 0 AND {MAX_PRICE}", name=op.f("ck_markup_rules_fixed")),
        sa.CheckConstraint(f"floor BETWEEN 0 AND {MAX_PRICE}", name=op.f("ck_markup_rules_floor")),
        sa.CheckConstraint(f"least_margin BETWEEN 0 AND {MAX_PRICE}", name=op.f("ck_markup_rules_least_margin")),
        sa.CheckConstraint(f"rounding_step BETWEEN 1 AND {MAX_PRICE}", name=op.f("ck_markup_rules_rounding_step")),
        sa.CheckConstraint(
            "rounding_ending >= 0 AND rounding_ending < rounding_step", name=op.f("ck_markup_rules_rounding_ending")
        ),
        sa.CheckConstraint("up_percent BETWEEN 0 AND 1000", name=op.f("ck_markup_rules_up_percent")),
        sa.CheckConstraint("down_percent BETWEEN 0 AND 100", name=op.f("ck_markup_rules_down_percent")),
        sa.CheckConstraint("cost_basis IN ('first', 'dearest')", name=op.f("ck_markup_rules_cost_basis")),
        sa.ForeignKeyConstraint(
            ["price_group_id"],
            ["price_groups.id"],
            name=op.f("fk_markup_rules_price_group_id_price_groups"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_group_id"],
            ["service_groups.id"],
            name=op.f("fk_markup_rules_service_group_id_service_groups"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_markup_rules_service_id_services"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_markup_rules")),
        sa.UniqueConstraint(
            "currency",
            "price_group_id",
            "service_group_id",
            "service_id",
            name="uq_markup_rules_scope",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "price_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("price_group_id", sa.BigInteger(), nullable=True),
        sa.Column("rule_id", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("old", sa.BigInteger(), nullable=True),
        sa.Column("new", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("outdated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('applied', 'waiting', 'approved', 'rejected', 'undone')", name=op.f("ck_price_changes_state")
        ),
        sa.CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name=op.f("ck_price_changes_decided_at")),
        sa.CheckConstraint(f"new BETWEEN 0 AND {MAX_PRICE}", name=op.f("ck_price_changes_new")),
        sa.ForeignKeyConstraint(
            ["price_group_id"],
            ["price_groups.id"],
            name=op.f("fk_price_changes_price_group_id_price_groups"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["markup_rules.id"], name=op.f("fk_price_changes_rule_id_markup_rules"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_price_changes_service_id_services"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_price_changes_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_changes")),
    )
    op.create_index("ix_price_changes_state", "price_changes", ["state", "id"])
    op.create_index("ix_price_changes_service_id", "price_changes", ["service_id", "id"])
    op.create_index(
        "uq_price_changes_standing",
        "price_changes",
        ["service_id", "price_group_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("outdated_at IS NULL AND state IN ('waiting', 'rejected', 'undone')"),
    )
    op.create_table(
        "price_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("price_group_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("old", sa.BigInteger(), nullable=True),
        sa.Column("new", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_history")),
    )
    op.create_index("ix_price_history_service_id", "price_history", ["service_id", "id"])
    op.create_table(
        "pricing_due",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pricing_due")),
    )
    op.get_bind().connection.cursor().execute((SQL / "0013_prices.sql").read_text())


def downgrade() -> None:
    op.execute("DROP VIEW priced_routes")
    op.execute("DROP FUNCTION keep_price, prices_are_due, costs_changed CASCADE")
    for table in ("pricing_due", "price_history", "price_changes", "markup_rules"):
        op.drop_table(table)
    for table in ("group_prices", "services"):
        op.drop_column(table, "price_source")
