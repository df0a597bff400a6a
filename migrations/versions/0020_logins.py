"""Logins of their own, so that customers sign in the way staff do.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_PARTS = ("sessions", "invites", "recovery_codes")


def upgrade() -> None:
    op.create_table(
        "logins",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("totp_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logins")),
    )
    # A login of the same number as its staff member: sessions and hashed recovery codes stay as they are.
    op.execute(
        "INSERT INTO logins (id, password_hash, totp_sealed, totp_step, created_at)"
        " SELECT id, password_hash, totp_sealed, totp_step, created_at FROM staff"
    )
    op.execute(
        "SELECT setval(pg_get_serial_sequence('logins', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM staff), false)"
    )
    op.add_column("staff", sa.Column("login_id", sa.BigInteger(), nullable=True))
    op.execute("UPDATE staff SET login_id = id")
    op.alter_column("staff", "login_id", nullable=False)
    op.add_column("customers", sa.Column("login_id", sa.BigInteger(), nullable=True))
    for table in ("staff", "customers"):
        op.create_unique_constraint(op.f(f"uq_{table}_login_id"), table, ["login_id"])
        op.create_foreign_key(op.f(f"fk_{table}_login_id_logins"), table, "logins", ["login_id"], ["id"])
    for column in ("password_hash", "totp_sealed", "totp_step"):
        op.drop_column("staff", column)
    for part in _PARTS:
        old, new = f"staff_{part}", f"login_{part}"
        op.drop_constraint(f"fk_{old}_staff_id_staff", old)
        op.rename_table(old, new)
        op.alter_column(new, "staff_id", new_column_name="login_id")
        op.create_foreign_key(op.f(f"fk_{new}_login_id_logins"), new, "logins", ["login_id"], ["id"])
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT pk_{old} TO pk_{new}")
    for part in ("sessions", "invites"):
        op.execute(
            f"ALTER TABLE login_{part} RENAME CONSTRAINT uq_staff_{part}_token_hash TO uq_login_{part}_token_hash"
        )
    for part in ("sessions", "recovery_codes"):
        op.execute(f"ALTER INDEX ix_staff_{part}_staff_id RENAME TO ix_login_{part}_login_id")
    op.rename_table("staff_guesses", "login_guesses")
    op.execute("ALTER TABLE login_guesses RENAME CONSTRAINT pk_staff_guesses TO pk_login_guesses")


def downgrade() -> None:
    raise NotImplementedError("Customers may have logins by now, which the schema before had no place for.")
