"""Names of services that are alike are found by an index.

Revision ID: 0031
Revises: 0030
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Trusted: the owner of a database may create it; it comes with PostgreSQL, in the wheel too.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_index(
        "ix_services_name_alike",
        "services",
        ["name"],
        postgresql_using="gist",
        postgresql_ops={"name": "gist_trgm_ops"},
    )


def downgrade() -> None:
    op.drop_index("ix_services_name_alike", "services")
