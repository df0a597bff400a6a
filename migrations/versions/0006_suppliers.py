"""How many calls a supplier takes in a minute, how staff read what it says, and the calls it makes to us.

Revision ID: 0006
Revises: 0005
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.add_column("suppliers", sa.Column("requests_per_minute", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(
        op.f("ck_suppliers_requests_per_minute"), "suppliers", "requests_per_minute BETWEEN 0 AND 100000"
    )
    wording = sa.Column("wording", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("suppliers", wording)
    op.create_table(
        "webhook_calls",
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["supplier_id"], ["suppliers.id"], name=op.f("fk_webhook_calls_supplier_id_suppliers")),
        sa.PrimaryKeyConstraint("supplier_id", "digest", name=op.f("pk_webhook_calls")),
    )
    op.create_index("ix_webhook_calls_at", "webhook_calls", ["at"], unique=False)
    op.get_bind().connection.cursor().execute((SQL / "0006_asking.sql").read_text())


def downgrade() -> None:
    op.execute("DROP FUNCTION ask_now(bigint, text)")
    op.drop_table("webhook_calls")
    op.drop_column("suppliers", "wording")
    op.drop_column("suppliers", "requests_per_minute")
