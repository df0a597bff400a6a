"""A shop with years behind it: millions of orders with their transfers, attempts and events, written as sets of rows.

What the order path would have left is written past it, with its triggers asleep and its indexes made afterwards. That
it is what the order path would have left is proved by the audit itself.
"""

import psycopg

_TABLES = ("orders", "attempts", "order_events", "transfers")

# One order in fifty was rejected, one in twenty needed two attempts, the last thousandth is still open.
_ORDERS = """
CREATE TEMP TABLE history AS
SELECT n AS id, b.customer_id, b.key_id, b.account_id, 2000000::bigint AS price, w.service_id, w.route_id,
       w.supplier_id, w.remote_service_id,
       now() - make_interval(days => %(days)s) + make_interval(secs => n * (%(days)s * 86300.0 / %(orders)s)) AS at,
       CASE WHEN n > %(orders)s - %(orders)s / 1000 - 1 THEN 'in_progress'
            WHEN n %% 50 = 0 THEN 'rejected' ELSE 'completed' END AS state,
       1 + (n %% 20 = 7)::integer AS attempts
FROM generate_series(1, %(orders)s) n
JOIN (SELECT row_number() OVER (ORDER BY c.id) - 1 AS r, c.id AS customer_id, k.id AS key_id, a.id AS account_id
      FROM customers c JOIN api_keys k ON k.customer_id = c.id JOIN accounts a ON a.customer_id = c.id) b
  ON b.r = n %% (SELECT count(*) FROM customers)
JOIN (SELECT row_number() OVER (ORDER BY r.id) - 1 AS r, r.service_id, r.id AS route_id, m.supplier_id,
             m.id AS remote_service_id
      FROM routes r JOIN remote_services m ON m.id = r.remote_service_id) w
  ON w.r = n %% (SELECT count(*) FROM routes)
ORDER BY n
"""
_STATEMENTS = (
    """
    INSERT INTO orders (id, customer_id, key_id, service_id, state, price, currency, quantity, device, fields,
                        fingerprint, guarded, source, result, reason, created_at, updated_at, closed_at)
    OVERRIDING SYSTEM VALUE
    SELECT h.id, h.customer_id, h.key_id, h.service_id, h.state, h.price, 'USD', 1, (350000000000000 + h.id)::text,
           '{}', decode(md5(h.id::text), 'hex'), true, 'history',
           CASE h.state WHEN 'completed' THEN 'Model: iPhone 14<br>Find My: OFF<br>Carrier: Unlocked' END,
           CASE h.state WHEN 'rejected' THEN 'Not found' END, h.at, h.at + interval '1 minute',
           CASE WHEN h.state <> 'in_progress' THEN h.at + interval '1 minute' END
    FROM history h ORDER BY h.id
    """,
    # The first of two was not sent; the last one's end is its order's.
    """
    INSERT INTO attempts (id, order_id, number, route_id, supplier_id, remote_service_id, state, remote_id, cost,
                          cost_currency, due_at, created_at, sent_at, placed_at, closed_at)
    OVERRIDING SYSTEM VALUE
    SELECT h.id * 2 + n - h.attempts, h.id, n, h.route_id, h.supplier_id, h.remote_service_id,
           CASE WHEN n < h.attempts THEN 'not_sent'
                ELSE CASE h.state WHEN 'completed' THEN 'done' WHEN 'rejected' THEN 'failed' ELSE 'placed' END END,
           CASE WHEN n = h.attempts THEN (10000000 + h.id)::text END, 1000000, 'USD', h.at, h.at, h.at,
           CASE WHEN n = h.attempts THEN h.at END,
           CASE WHEN n < h.attempts OR h.state <> 'in_progress' THEN h.at + interval '1 minute' END
    FROM history h CROSS JOIN LATERAL generate_series(1, h.attempts) n
    ORDER BY h.id, n
    """,
    """
    INSERT INTO order_events (order_id, attempt_id, kind, old_state, new_state, actor, at)
    SELECT h.id, CASE WHEN e.kind = 'attempt' THEN h.id * 2 + e.back END, e.kind, e.old, e.new, 'worker', h.at
    FROM history h CROSS JOIN LATERAL (VALUES
        (1, 'attempt', -1, 'sending', 'not_sent', h.attempts = 2),
        (2, 'attempt', 0, 'sending', 'placed', true),
        (3, 'order', 0, 'accepted', 'in_progress', true),
        (4, 'attempt', 0, 'placed', CASE h.state WHEN 'completed' THEN 'done' ELSE 'failed' END,
         h.state <> 'in_progress'),
        (5, 'order', 0, 'in_progress', h.state, h.state <> 'in_progress')
    ) e(step, kind, back, old, new, happened)
    WHERE e.happened ORDER BY h.id, e.step
    """,
    """
    WITH s AS MATERIALIZED (
        SELECT ledger_system_account('escrow', 'USD') AS escrow, ledger_system_account('sales', 'USD') AS sales
    )
    INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, order_id, created_at)
    SELECT t.kind, t.debit_id, t.credit_id, h.price, 'USD', h.id, h.at
    FROM history h
    CROSS JOIN s
    CROSS JOIN LATERAL (VALUES (1, 'charge', h.account_id, s.escrow, true),
                               (2, 'settle', s.escrow, s.sales, h.state = 'completed'),
                               (3, 'refund', s.escrow, h.account_id, h.state = 'rejected')
    ) t(step, kind, debit_id, credit_id, happened)
    WHERE t.happened ORDER BY h.id, t.step
    """,
)
_TOPUPS = """
WITH f AS MATERIALIZED (SELECT ledger_system_account('funding', 'USD') AS id)
INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, reference)
SELECT 'topup', f.id, a.id, 1000000, 'USD', 'history ' || n
FROM generate_series(1, %(topups)s) n
CROSS JOIN f
JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS r FROM accounts WHERE role = 'customer') a
  ON a.r = n %% (SELECT count(*) FROM customers)
"""
# The customers owe what they ordered above what they paid in; a limit that covers it is part of the story.
_BALANCES = """
UPDATE accounts a SET credit_limit = GREATEST(-t.total, 0), balance = t.total
FROM (SELECT account_id, sum(change)::bigint AS total FROM (
          SELECT debit_id AS account_id, -amount AS change FROM transfers
          UNION ALL SELECT credit_id, amount FROM transfers) c GROUP BY account_id) t
WHERE t.account_id = a.id AND a.role = 'customer'
"""
_INDEXES = """
SELECT i.indexname AS name, i.indexdef AS made FROM pg_indexes i
WHERE i.tablename = ANY (%s) AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = i.indexname)
"""


def write_history(url: str, transfers: int, *, days: int = 730) -> int:
    """Write ``transfers`` transfers, two in five of them charges, with all that belongs to them; return the orders.

    They lie in the last ``days``.
    """
    orders = transfers * 2 // 5
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("SET synchronous_commit = off")
        conn.execute("SET maintenance_work_mem = '512MB'")
        indexes = conn.execute(_INDEXES, (list(_TABLES),)).fetchall()
        for name, _ in indexes:
            conn.execute(psycopg.sql.SQL("DROP INDEX {}").format(psycopg.sql.Identifier(name)))
        conn.execute(_ORDERS, {"orders": orders, "days": days})
        conn.execute("ANALYZE history")
        for statement in _STATEMENTS:
            conn.execute(statement)
        row = conn.execute("SELECT count(*) FROM transfers").fetchone()
        assert row is not None
        conn.execute(_TOPUPS, {"topups": transfers - row[0]})
        conn.execute(_BALANCES)
        for _, made in indexes:
            conn.execute(made)
        conn.execute("VACUUM ANALYZE")
    return orders
