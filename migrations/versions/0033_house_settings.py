"""Settings that an owner changes while the program runs.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "house_settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_house_settings")),
    )
    op.execute(
        "CREATE TRIGGER house_settings_act AFTER INSERT OR UPDATE OR DELETE ON house_settings"
        " FOR EACH ROW EXECUTE FUNCTION keep_act('setting', '', 'name', 'setting', 'name,changed_at')"
    )


def downgrade() -> None:
    op.drop_table("house_settings")
