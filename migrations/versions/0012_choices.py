"""What may be chosen for a single service of a supplier, and readings of its lists that go on where the last one ended.

Revision ID: 0012
Revises: 0011
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.create_table(
        "remote_choices",
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.CheckConstraint("kind IN ('device', 'network')", name=op.f("ck_remote_choices_kind")),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_remote_choices_supplier_id_suppliers")
        ),
        sa.PrimaryKeyConstraint("supplier_id", "kind", "remote_id", name=op.f("pk_remote_choices")),
    )
    op.add_column(
        "suppliers",
        sa.Column("devices_done", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("suppliers", sa.Column("devices_left", sa.Integer(), server_default="0", nullable=False))
    op.get_bind().connection.cursor().execute((SQL / "0012_choices.sql").read_text())


def downgrade() -> None:
    raise RuntimeError("the view of the choices needs the lists of single services: restore a backup instead")
