"""Books of a supplier per day, how low its balance may get, and when a balance was asked for.

Revision ID: 0011
Revises: 0010
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.add_column("supplier_balances", sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("supplier_deposits", sa.Column("currency", sa.String(3), nullable=True))
    op.execute("UPDATE supplier_deposits d SET currency = s.currency FROM suppliers s WHERE s.id = d.supplier_id")
    op.alter_column("supplier_deposits", "currency", nullable=False)
    op.create_index("ix_supplier_deposits_at", "supplier_deposits", ["supplier_id", "at"])
    op.add_column("suppliers", sa.Column("books_tolerance", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("suppliers", sa.Column("low_balance", sa.BigInteger(), nullable=True))
    op.add_column("suppliers", sa.Column("runway_days", sa.Integer(), server_default="3", nullable=False))
    for name, condition in (
        ("books_tolerance", "books_tolerance >= 0"),
        ("low_balance", "low_balance >= 0"),
        ("runway_days", "runway_days BETWEEN 0 AND 365"),
    ):
        op.create_check_constraint(op.f(f"ck_suppliers_{name}"), "suppliers", condition)
    _supplier_days()
    # Attempts come in the order of time, so that this index costs next to nothing and finds those of a day.
    op.create_index("ix_attempts_sent_at", "attempts", ["sent_at"], postgresql_using="brin")
    op.create_index(
        "ix_attempts_failed", "attempts", ["supplier_id", "closed_at"], postgresql_where=sa.text("state = 'failed'")
    )
    op.create_index("ix_orders_in_part", "orders", ["closed_at"], postgresql_where=sa.text("delivered IS NOT NULL"))
    op.get_bind().connection.cursor().execute((SQL / "0011_supplier_books.sql").read_text())


def _supplier_days() -> None:
    def amount(name: str, *, nullable: bool = True) -> "sa.Column[object]":
        return sa.Column(name, sa.BigInteger(), nullable=nullable)

    def moment(name: str, *, nullable: bool = True) -> "sa.Column[object]":
        return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)

    op.create_table(
        "supplier_days",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        amount("supplier_id", nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        moment("from_at", nullable=False),
        moment("to_at", nullable=False),
        amount("opening"),
        moment("opening_at"),
        amount("closing"),
        moment("closing_at"),
        amount("deposits", nullable=False),
        amount("cost", nullable=False),
        amount("given_back", nullable=False),
        amount("in_doubt", nullable=False),
        amount("in_return", nullable=False),
        amount("left_out", nullable=False),
        amount("expected", nullable=False),
        amount("difference"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        amount("explained"),
        moment("explained_at"),
        amount("staff_id"),
        moment("computed_at", nullable=False),
        sa.CheckConstraint("state IN ('ok', 'open', 'explained')", name=op.f("ck_supplier_days_state")),
        sa.CheckConstraint("(opening IS NULL) = (opening_at IS NULL)", name=op.f("ck_supplier_days_opening")),
        sa.CheckConstraint("(closing IS NULL) = (closing_at IS NULL)", name=op.f("ck_supplier_days_closing")),
        sa.CheckConstraint("(explained IS NULL) = (explained_at IS NULL)", name=op.f("ck_supplier_days_explained")),
        sa.CheckConstraint("state <> 'explained' OR note <> ''", name=op.f("ck_supplier_days_explained_with_note")),
        sa.ForeignKeyConstraint(["supplier_id"], ["suppliers.id"], name=op.f("fk_supplier_days_supplier_id_suppliers")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_supplier_days_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier_days")),
        sa.UniqueConstraint("supplier_id", "day", name=op.f("uq_supplier_days_supplier_id_day")),
    )
    op.create_index(
        "ix_supplier_days_open",
        "supplier_days",
        ["id"],
        postgresql_where=sa.text("state = 'open'"),
    )


def downgrade() -> None:
    for view in ("balance_readings", "attempt_charges"):
        op.execute(f"DROP VIEW {view}")
    op.drop_index("ix_orders_in_part", "orders")
    op.drop_index("ix_attempts_failed", "attempts")
    op.drop_index("ix_attempts_sent_at", "attempts")
    op.drop_table("supplier_days")
    for name in ("runway_days", "low_balance", "books_tolerance"):
        op.drop_column("suppliers", name)
    op.drop_index("ix_supplier_deposits_at", "supplier_deposits")
    op.drop_column("supplier_deposits", "currency")
    op.drop_column("supplier_balances", "asked_at")
