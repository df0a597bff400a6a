"""How old a customer's debt is, and who is overdue.

Revision ID: 0016
Revises: 0015
"""

from pathlib import Path

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.get_bind().connection.cursor().execute((SQL / "0016_debts.sql").read_text())


def downgrade() -> None:
    raise RuntimeError("payments clear what is overdue from here on: restore a backup instead")
