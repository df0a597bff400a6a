"""Customers in the portal: the key that stands for them there, and wishes for a new password.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def upgrade() -> None:
    op.add_column("customers", sa.Column("portal_key_id", sa.BigInteger(), nullable=True))
    op.create_unique_constraint(op.f("uq_customers_portal_key_id"), "customers", ["portal_key_id"])
    op.create_foreign_key("fk_customers_portal_key_id_api_keys", "customers", "api_keys", ["portal_key_id"], ["id"])
    op.create_table(
        "password_resets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("typed", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_resets")),
        sa.UniqueConstraint("typed", name=op.f("uq_password_resets_typed")),
    )


def downgrade() -> None:
    op.drop_table("password_resets")
    op.drop_column("customers", "portal_key_id")
