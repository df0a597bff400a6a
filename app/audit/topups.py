"""Proves of every top-up request that staff approved that its customer was credited for it, with what staff said."""

from app.audit.promises import Listing

# A transfer belongs to one request, by a unique index that is among the guards.
PROMISE = Listing(
    "a top-up request that was approved is one top-up of its customer",
    """
    SELECT 'top-up request ' || r.id AS subject,
           concat('credited ', r.credited, ' ', r.currency, '; transfer ', t.id, ' is a ', t.kind, ' of ', t.amount,
                  ' ', t.currency, ' to account ', t.credit_id) AS detail
    FROM topup_requests r
    LEFT JOIN accounts a ON a.customer_id = r.customer_id
    LEFT JOIN transfers t ON t.id = r.transfer_id
    WHERE r.state = 'approved'
      AND (t.kind = 'topup' AND t.amount = r.credited AND t.currency = r.currency AND t.credit_id = a.id) IS NOT TRUE
    ORDER BY r.id
    """,
)
