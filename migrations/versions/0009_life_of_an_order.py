"""The whole life of an order: routing by measure, circuit breakers, duplicate rules, cancel, abandon, the clock.

Revision ID: 0009
Revises: 0008
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
MAX_PRICE = 1_000_000_000_000
LIVE = "'prepared', 'sending', 'placed', 'unclear', 'done', 'failed', 'not_sent', 'refused'"


def upgrade() -> None:
    _services()
    _suppliers()
    _ledger()
    _orders()
    cursor = op.get_bind().connection.cursor()
    for name in ("routes", "ledger", "orders", "attempts"):
        cursor.execute((SQL / f"0009_{name}.sql").read_text())


def _add(table: str, *columns: sa.Column[object]) -> None:
    for column in columns:
        op.add_column(table, column)


def _flag(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def _count(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def _word(name: str, default: str) -> "sa.Column[object]":
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _checks(table: str, **conditions: str) -> None:
    for name, condition in conditions.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)


def _services() -> None:
    _add(
        "services",
        _word("service_class", "check"),
        _flag("next_after_rejection"),
        _word("routing", "priority"),
        _word("duplicates", "refuse"),
        _count("duplicate_hours"),
        sa.Column("recent_price", sa.BigInteger(), nullable=True),
        _count("confirm_seconds"),
        sa.Column("expected_minutes", sa.Integer(), nullable=True),
        sa.Column("guaranteed_minutes", sa.Integer(), nullable=True),
        _flag("measured_time"),
    )
    op.execute("UPDATE services SET duplicates = 'allow' WHERE allows_duplicates")
    op.drop_column("services", "allows_duplicates")
    _checks(
        "services",
        service_class="service_class IN ('check', 'unlock')",
        answers_are_final="NOT next_after_rejection OR service_class = 'unlock'",
        routing="routing IN ('priority', 'cost', 'expected_cost')",
        duplicates="duplicates IN ('refuse', 'return', 'allow', 'recent')",
        duplicate_hours="duplicate_hours BETWEEN 0 AND 8760",
        recent_price=f"recent_price BETWEEN 0 AND {MAX_PRICE}",
        confirm_seconds="confirm_seconds BETWEEN 0 AND 86400",
        expected_minutes="expected_minutes >= 1",
        guaranteed_minutes="guaranteed_minutes >= COALESCE(expected_minutes, 1)",
    )


def _suppliers() -> None:
    _add(
        "suppliers",
        _count("trips"),
        _count("doubts"),
        _flag("balance_is_proof"),
        _word("panel_url", ""),
        sa.Column("place_batch", sa.Integer(), nullable=True),
    )
    _checks("suppliers", place_batch="place_batch BETWEEN 1 AND 1000")
    _add(
        "remote_services",
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        _count("trips"),
        _count("doubts"),
    )
    op.create_index(
        "ix_remote_services_paused",
        "remote_services",
        ["supplier_id"],
        postgresql_where=sa.text("paused_until IS NOT NULL"),
    )
    _add("routes", sa.Column("next_after_unclear_hours", sa.Integer(), nullable=True))
    _checks("routes", next_after_unclear_hours="next_after_unclear_hours BETWEEN 1 AND 8760")
    op.create_table(
        "supplier_balances",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_supplier_balances_currency")),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_supplier_balances_supplier_id_suppliers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier_balances")),
    )
    op.create_index("ix_supplier_balances_supplier_id", "supplier_balances", ["supplier_id", "at"])
    op.create_table(
        "remote_measures",
        sa.Column("remote_service_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("answered", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("success_permille", sa.Integer(), nullable=False),
        sa.Column("p50_seconds", sa.Integer(), nullable=True),
        sa.Column("p95_seconds", sa.Integer(), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("delivered BETWEEN 0 AND answered", name=op.f("ck_remote_measures_delivered")),
        sa.CheckConstraint("success_permille BETWEEN 1 AND 1000", name=op.f("ck_remote_measures_success_permille")),
        sa.ForeignKeyConstraint(
            ["remote_service_id"],
            ["remote_services.id"],
            name=op.f("fk_remote_measures_remote_service_id_remote_services"),
        ),
        sa.PrimaryKeyConstraint("remote_service_id", name=op.f("pk_remote_measures")),
    )


def _ledger() -> None:
    _add("accounts", sa.Column("credit_days", sa.Integer(), nullable=True), _flag("overdue"))
    _checks("accounts", credit_days="credit_days BETWEEN 1 AND 3650")


def _orders() -> None:
    _add(
        "orders",
        sa.Column("repeats_id", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("late_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held", sa.Text(), nullable=True),
    )
    op.create_foreign_key(op.f("fk_orders_repeats_id_orders"), "orders", "orders", ["repeats_id"], ["id"])
    _checks(
        "orders",
        repeats_another="repeats_id <> id",
        held_is_open="held IS NULL OR state IN ('accepted', 'in_progress')",
    )
    op.create_index(
        "ix_orders_late",
        "orders",
        ["late_at"],
        postgresql_where=sa.text(
            "state IN ('accepted', 'in_progress') AND escalated_at IS NULL AND late_at IS NOT NULL"
        ),
    )
    _add(
        "attempts",
        sa.Column("chosen", sa.Text(), nullable=True),
        _flag("forced"),
        sa.Column("max_cost", sa.BigInteger(), nullable=True),
        sa.Column("cancel_asked_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.drop_constraint(op.f("ck_attempts_state"), "attempts")
    _checks("attempts", state=f"state IN ({LIVE}, 'abandoned')")
    op.create_index("ix_attempts_created_at", "attempts", ["created_at"], postgresql_using="brin")


def downgrade() -> None:
    raise NotImplementedError("orders that were abandoned or cancelled cannot be told without this schema")
