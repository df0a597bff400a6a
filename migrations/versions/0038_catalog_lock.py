"""Who writes the catalogue waits for the version before locking a row: two writers of several rows never deadlock.

Revision ID: 0038
Revises: 0037
"""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

TABLES = ("service_groups", "services", "service_fields", "price_groups", "group_prices", "customer_prices")
EVENTS = {**dict.fromkeys(TABLES, "INSERT OR UPDATE OR DELETE"), "routes": "INSERT OR DELETE OR UPDATE OF priority"}


def _tell(when: str) -> None:
    for table, events in EVENTS.items():
        op.execute(
            f"CREATE OR REPLACE TRIGGER {table}_changed {when} {events} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed()"
        )


def upgrade() -> None:
    _tell("BEFORE")


def downgrade() -> None:
    _tell("AFTER")
