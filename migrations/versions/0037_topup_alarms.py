"""A top-up request keeps its alarm until it is decided: the first of two approvals does not end it, the second does.

Revision ID: 0037
Revises: 0036
"""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_FUNCTION = """
CREATE OR REPLACE FUNCTION end_topup_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'approved' THEN
        UPDATE topup_requests
        SET state = 'approved', credited = NEW.amount, transfer_id = NEW.transfer_id, decided_by = NEW.decided_by,
            decided_at = NEW.decided_at
        WHERE approval_id = NEW.id;
        {on_approval}
    ELSE
        UPDATE topup_requests SET approval_id = NULL WHERE approval_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
"""
_END_ALARM = """
        UPDATE alarms SET state = 'closed', closed_at = clock_timestamp()
        WHERE kind = 'topup_waiting' AND state <> 'closed'
          AND subject = (SELECT 'top-up request ' || r.id FROM topup_requests r WHERE r.approval_id = NEW.id);
"""


def upgrade() -> None:
    op.execute(_FUNCTION.format(on_approval=_END_ALARM))


def downgrade() -> None:
    op.execute(_FUNCTION.format(on_approval=""))
