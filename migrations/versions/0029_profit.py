"""Profit: what was earned by day, service, supplier and customer, built from transfers and attempts.

Revision ID: 0029
Revises: 0028
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    for table, column in (("transfers", "created_at"), ("attempts", "closed_at")):
        op.create_index(
            f"ix_{table}_{column}", table, [column], postgresql_using="brin", postgresql_with={"autosummarize": "on"}
        )
    op.create_table(
        "profit_days",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("revenue", sa.BigInteger(), nullable=False),
        sa.Column("reversed", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("absorbed", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "dimension IN ('all', 'service', 'supplier', 'customer')", name=op.f("ck_profit_days_dimension")
        ),
        sa.PrimaryKeyConstraint("dimension", "currency", "day", "subject_id", name=op.f("pk_profit_days")),
    )
    op.create_index("ix_profit_days_day", "profit_days", ["day"])
    op.create_table(
        "profit_builds",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_profit_builds")),
    )
    op.get_bind().connection.cursor().execute((SQL / "0029_profit.sql").read_text())


def downgrade() -> None:
    op.drop_table("profit_builds")
    op.drop_table("profit_days")
    op.execute("DROP FUNCTION convert_up_at, rate_at")
    op.drop_index("ix_attempts_closed_at")
    op.drop_index("ix_transfers_created_at")
