"""Keys: scopes, sandbox, last use, replacing one by another, learning where one is used from.

Revision ID: 0019
Revises: 0018
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"

# What there was to do with a key before keys had scopes, and what came with them.
_ALL = "{services.read,orders.create,orders.read,money.read,topups.create,webhooks.manage}"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("scopes", postgresql.ARRAY(sa.Text()), server_default=_ALL, nullable=False))
    op.alter_column("api_keys", "scopes", server_default=None)
    op.add_column("api_keys", sa.Column("sandbox", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("api_keys", sa.Column("learning_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("replaces_id", sa.BigInteger(), nullable=True))
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(op.f("fk_api_keys_replaces_id_api_keys"), "api_keys", "api_keys", ["replaces_id"], ["id"])
    op.create_unique_constraint(op.f("uq_api_keys_replaces_id"), "api_keys", ["replaces_id"])
    op.create_table(
        "key_addresses",
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.Column("address", postgresql.INET(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name=op.f("fk_key_addresses_key_id_api_keys"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key_id", "address", name=op.f("pk_key_addresses")),
    )
    cursor = op.get_bind().connection.cursor()
    cursor.execute((SQL / "0019_keys.sql").read_text())
    cursor.execute((SQL / "0019_orders.sql").read_text())


def downgrade() -> None:
    raise RuntimeError("keys without scopes could do everything: restore a backup instead")
