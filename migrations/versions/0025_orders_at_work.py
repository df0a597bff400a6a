"""What staff need to work on orders: asked after now, and found by what keeps them from their end.

Revision ID: 0025
Revises: 0024
"""

from pathlib import Path

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.get_bind().connection.cursor().execute((SQL / "0025_orders_at_work.sql").read_text())


def downgrade() -> None:
    raise RuntimeError("pages and workers ask for these: restore a backup instead")
