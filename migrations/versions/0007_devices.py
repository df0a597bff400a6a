"""What suppliers ask customers to choose from, and services that are read for one device on one network.

Revision ID: 0007
Revises: 0006
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.create_table(
        "device_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('brand', 'device', 'network', 'mep')", name=op.f("ck_device_entries_kind")),
        sa.CheckConstraint("remote_id <> ''", name=op.f("ck_device_entries_remote_id")),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_device_entries_supplier_id_suppliers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_entries")),
        sa.UniqueConstraint(
            "supplier_id", "kind", "remote_id", name=op.f("uq_device_entries_supplier_id_kind_remote_id")
        ),
    )
    op.create_index("ix_device_entries_parent", "device_entries", ["supplier_id", "kind", "parent", "id"])
    op.add_column("suppliers", sa.Column("devices_read_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "remote_services", sa.Column("on_demand", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.get_bind().connection.cursor().execute((SQL / "0007_devices.sql").read_text())


def downgrade() -> None:
    op.execute("DROP TRIGGER routes_changed ON routes")
    op.execute("DROP VIEW service_choices")
    op.drop_column("remote_services", "on_demand")
    op.drop_column("suppliers", "devices_read_at")
    op.drop_table("device_entries")
