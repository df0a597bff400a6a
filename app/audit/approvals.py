"""Proves of every act that waited for a second pair of eyes that it was done as it was asked for, or not at all."""

from app.audit.promises import Listing

# A transfer belongs to one approval, by a unique index that is among the guards.
PROMISE = Listing(
    "what was approved is what was done",
    """
    SELECT 'approval ' || p.id AS subject,
           concat(p.kind, ' of ', p.amount, ' ', p.currency, ' is ', p.state, ', asked for by staff ', p.requested_by,
                  ', decided by staff ', p.decided_by, '; ',
                  COALESCE('transfer ' || t.id || ' is a ' || t.kind || ' of ' || t.amount || ' ' || t.currency,
                           'no transfer')) AS detail
    FROM approvals p
    LEFT JOIN accounts a ON a.customer_id = p.customer_id
    LEFT JOIN transfers t ON t.id = p.transfer_id
    WHERE CASE
        WHEN p.state <> 'approved' THEN p.transfer_id IS NOT NULL
        WHEN p.decided_by = p.requested_by THEN true
        WHEN p.kind = 'credit_limit' THEN p.transfer_id IS NOT NULL
        ELSE (t.kind = p.kind AND t.amount = abs(p.amount) AND t.currency = p.currency
              AND CASE WHEN p.amount > 0 THEN t.credit_id ELSE t.debit_id END = a.id
              AND t.order_id IS NOT DISTINCT FROM p.order_id AND t.reference IS NOT DISTINCT FROM p.reference
             ) IS NOT TRUE
    END
    ORDER BY p.id
    """,
)
