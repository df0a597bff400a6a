"""The audit log: every act of staff, who, what, before and after, from where.

Revision ID: 0026
Revises: 0025
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.create_table(
        "acts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("named", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint("door IN ('admin', 'portal', 'api', 'command', 'system')", name=op.f("ck_acts_door")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acts")),
    )
    op.create_index("ix_acts_at", "acts", ["at", "id"])
    op.create_index("ix_acts_staff_id", "acts", ["staff_id", "at", "id"])
    op.create_index("ix_acts_subject", "acts", ["subject_kind", "subject_id", "at", "id"])
    op.create_index("ix_acts_subject_kind", "acts", ["subject_kind", "at", "id"])
    op.get_bind().connection.cursor().execute((SQL / "0026_acts.sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("a log that can be dropped proves nothing")
