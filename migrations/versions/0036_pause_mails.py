"""An endpoint that is removed fails nobody's order, and a pause of one is told by mail.

Revision ID: 0036
Revises: 0035
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"

_NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "webhook_pause_mails",
        sa.Column("endpoint_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.id"],
            name=op.f("fk_webhook_pause_mails_endpoint_id_webhook_endpoints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("endpoint_id", name=op.f("pk_webhook_pause_mails")),
    )
    op.get_bind().connection.cursor().execute((SQL / "0036_webhooks.sql").read_text())


def downgrade() -> None:
    raise RuntimeError("the order path writes events by these functions: restore a backup instead")
