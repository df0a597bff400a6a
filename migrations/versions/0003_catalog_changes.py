"""What suppliers change in their catalogues: a row for each change, and the limits within which it is taken over.

Revision ID: 0003
Revises: 0001
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.create_table(
        "catalog_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("supplier_id", sa.BigInteger(), nullable=False),
        sa.Column("remote_service_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("old", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("new", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("outdated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('new', 'price', 'name', 'time', 'info', 'fields', 'quantity', 'type', 'removed', 'back')",
            name=op.f("ck_catalog_changes_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('applied', 'waiting', 'approved', 'rejected', 'undone')", name=op.f("ck_catalog_changes_state")
        ),
        sa.CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name=op.f("ck_catalog_changes_decided_at")),
        sa.ForeignKeyConstraint(
            ["remote_service_id"],
            ["remote_services.id"],
            name=op.f("fk_catalog_changes_remote_service_id_remote_services"),
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_catalog_changes_staff_id_staff")),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_catalog_changes_supplier_id_suppliers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_changes")),
    )
    op.create_index("ix_catalog_changes_supplier_id", "catalog_changes", ["supplier_id", "state", "id"], unique=False)
    op.create_index(
        "uq_catalog_changes_standing",
        "catalog_changes",
        ["remote_service_id", "kind"],
        unique=True,
        postgresql_where=sa.text("outdated_at IS NULL AND state IN ('waiting', 'rejected', 'undone')"),
    )
    op.add_column("remote_services", sa.Column("missing_syncs", sa.Integer(), server_default="0", nullable=False))
    for column in (
        sa.Column("price_up_percent", sa.Integer(), server_default="20", nullable=True),
        sa.Column("price_down_percent", sa.Integer(), server_default="50", nullable=True),
        sa.Column("apply_new", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("apply_names", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("apply_fields", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("apply_removed", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("missing_limit", sa.Integer(), server_default="3", nullable=False),
    ):
        op.add_column("suppliers", column)
    for name, rule in (
        ("price_up_percent", "price_up_percent BETWEEN 0 AND 1000"),
        ("price_down_percent", "price_down_percent BETWEEN 0 AND 100"),
        ("missing_limit", "missing_limit BETWEEN 1 AND 1000"),
    ):
        op.create_check_constraint(op.f(f"ck_suppliers_{name}"), "suppliers", rule)
    op.get_bind().connection.cursor().execute((SQL / "0003_changes.sql").read_text())


def downgrade() -> None:
    raise RuntimeError("the view of the routes needs the changes: restore a backup instead")
