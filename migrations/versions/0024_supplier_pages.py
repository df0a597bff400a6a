"""Why staff paused a supplier, and how suppliers did day by day.

Revision ID: 0024
Revises: 0023
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.add_column("suppliers", sa.Column("paused_because", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "measured_days",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("remote_service_id", sa.BigInteger(), nullable=True),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.Column("p50_seconds", sa.Integer(), nullable=True),
        sa.Column("p95_seconds", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["supplier_id"], ["suppliers.id"], name=op.f("fk_measured_days_supplier_id_suppliers")),
        sa.ForeignKeyConstraint(
            ["remote_service_id"],
            ["remote_services.id"],
            name=op.f("fk_measured_days_remote_service_id_remote_services"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_measured_days")),
        sa.UniqueConstraint(
            "supplier_id",
            "day",
            "remote_service_id",
            name=op.f("uq_measured_days_supplier_id_day_remote_service_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_measured_days_day", "measured_days", ["day"])
    op.get_bind().connection.cursor().execute((SQL / "0024_measured_days.sql").read_text())


def downgrade() -> None:
    op.execute("DROP FUNCTION measure_days(date, date)")
    op.drop_table("measured_days")
    op.drop_column("suppliers", "paused_because")
