"""What was said on the wire is found by the attempt it belongs to, and may go when its time is over.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attempt_exchanges",
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("exchange_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_attempt_exchanges_attempt_id_attempts")),
        sa.ForeignKeyConstraint(
            ["exchange_id"],
            ["exchanges.id"],
            name=op.f("fk_attempt_exchanges_exchange_id_exchanges"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("attempt_id", "exchange_id", name=op.f("pk_attempt_exchanges")),
    )
    op.create_index("ix_attempt_exchanges_exchange_id", "attempt_exchanges", ["exchange_id"])
    # An attempt outlives what was said about it; each removal would have looked through all attempts.
    for name in ("place", "report"):
        op.drop_constraint(op.f(f"fk_attempts_{name}_exchange_id_exchanges"), "attempts", type_="foreignkey")
        op.create_index(f"ix_attempts_{name}_exchange_id", "attempts", [f"{name}_exchange_id"], postgresql_using="brin")


def downgrade() -> None:
    raise NotImplementedError("attempts may point to exchanges that were removed")
