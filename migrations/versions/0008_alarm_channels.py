"""Who is told of alarms, what they were told, and which workers gave a sign of life when.

Revision ID: 0008
Revises: 0007
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.create_table(
        "alarm_channels",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("severity", sa.Text(), server_default="notice", nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tell_end", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("per_hour", sa.Integer(), server_default="20", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_by", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('email', 'telegram', 'webhook')", name=op.f("ck_alarm_channels_kind")),
        sa.CheckConstraint("severity IN ('notice', 'warning', 'critical')", name=op.f("ck_alarm_channels_severity")),
        sa.CheckConstraint("per_hour BETWEEN 1 AND 1000", name=op.f("ck_alarm_channels_per_hour")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_channels")),
        sa.UniqueConstraint("name", name=op.f("uq_alarm_channels_name")),
    )
    op.create_table(
        "alarm_notices",
        sa.Column("alarm_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("sent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'told', 'over')", name=op.f("ck_alarm_notices_state")),
        sa.ForeignKeyConstraint(
            ["alarm_id"], ["alarms.id"], name=op.f("fk_alarm_notices_alarm_id_alarms"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["alarm_channels.id"],
            name=op.f("fk_alarm_notices_channel_id_alarm_channels"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("alarm_id", "channel_id", name=op.f("pk_alarm_notices")),
    )
    op.create_index(
        "ix_alarm_notices_live",
        "alarm_notices",
        ["channel_id", "due_at"],
        postgresql_where=sa.text("state <> 'over'"),
    )
    op.create_table(
        "alarm_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("alarm_id", sa.BigInteger(), nullable=True),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "about IN ('opened', 'reminder', 'ended', 'summary', 'test')", name=op.f("ck_alarm_messages_about")
        ),
        sa.ForeignKeyConstraint(
            ["alarm_id"], ["alarms.id"], name=op.f("fk_alarm_messages_alarm_id_alarms"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["alarm_channels.id"],
            name=op.f("fk_alarm_messages_channel_id_alarm_channels"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_messages")),
    )
    op.create_index("ix_alarm_messages_channel_id", "alarm_messages", ["channel_id", "id"])
    op.create_index("ix_alarm_messages_at", "alarm_messages", ["channel_id", "at"])
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )
    op.get_bind().connection.cursor().execute((SQL / "0008_alarm_channels.sql").read_text())


def downgrade() -> None:
    op.execute("DROP VIEW due_notices")
    for table in ("workers", "alarm_messages", "alarm_notices", "alarm_channels"):
        op.drop_table(table)
