"""A large house to look at: suppliers, catalogues, customers, prices, years of orders and what waits for staff.

``python -m bench.house postgresql://…/an_empty_database`` fills one, to click through; it needs SECRET_KEY, prints how
to sign in, and takes a few minutes for a million orders.
"""

import argparse
import asyncio
import os
import time
from dataclasses import replace

import psycopg

from app.access.passwords import hash_password, set_password
from app.audit.service import audit
from app.db import Database
from app.hours.building import build_hours
from app.migrate import migrate
from app.profit.building import build_due
from app.sealing import Sealer
from app.staff.members import get_member
from app.staff.service import create_staff
from app.suppliers.runway import watch_balances
from app.suppliers.service import add
from bench.history import write_history
from bench.scale import FULL, Scale
from bench.shop import open_shop

EMAIL, PASSWORD = "owner@example.com", "a house to look at"
SUPPLIERS = 10
DAYS = 120
HOUSE = replace(FULL, customers=1_000, services=10_000, transfers=2_500_000)

# Every supplier sells its share of all services; as many again are not mapped.
_SPREAD = """
UPDATE remote_services m SET supplier_id = s.id
FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS r, count(*) OVER () AS n FROM suppliers) s
WHERE s.r = m.id % s.n
"""
_UNMAPPED = """
INSERT INTO remote_services (supplier_id, remote_id, name, group_name, type, cost, time, info, takes_serial,
                             takes_quantity, fields)
SELECT supplier_id, 'more ' || remote_id, 'Unlock ' || name, 'Theirs ' || id % 50, type, cost + 500000, time, info,
       false, false, '[]'
FROM remote_services
"""
_WAITING = (
    "INSERT INTO price_groups (name, currency) SELECT 'Group of prices ' || n, 'USD' FROM generate_series(1, 5) n",
    "INSERT INTO group_prices (price_group_id, service_id, price) SELECT g.id, s.id, 1900000"
    " FROM price_groups g CROSS JOIN services s",
    "UPDATE customers SET price_group_id = (SELECT min(id) FROM price_groups) + id % 5",
    "INSERT INTO customer_prices (customer_id, service_id, price) SELECT (SELECT min(id) FROM customers), id, 1800000"
    " FROM services",
    "INSERT INTO alarms (kind, subject, text) SELECT 'supplier_down', 'supplier:' || n, 'It answers nothing.'"
    " FROM generate_series(1, 200) n",
    "INSERT INTO catalog_changes (supplier_id, remote_service_id, kind, old, new, state)"
    " SELECT supplier_id, id, 'price', '{\"cost\": 1000000}', '{\"cost\": 1500000}', 'waiting'"
    " FROM remote_services WHERE id % 4 = 0",
    "INSERT INTO price_changes (service_id, currency, cost, old, new, state)"
    " SELECT id, 'USD', 1000000, 2000000, 3000000, 'waiting' FROM services WHERE id % 4 = 0",
    "INSERT INTO payment_methods (name, currency, instructions) VALUES ('Bank', 'USD', 'To our account.')",
    "INSERT INTO topup_requests (customer_id, method_id, amount, credit, currency, sender, paid_on)"
    " SELECT c.id, m.id, 5000000, 5000000, 'USD', 'A sender', current_date FROM customers c, payment_methods m",
    "INSERT INTO exchanges (supplier_id, call, at, method, url, request, status, reply, milliseconds)"
    " SELECT s.id, 'place', now() - n * interval '1 second', 'POST', 'https://supplier.example/api', 'action=x', 200,"
    " repeat('reply ', 200), 120 FROM suppliers s CROSS JOIN generate_series(1, 5000) n",
    "UPDATE attempts a SET place_exchange_id = named.id,"
    " report_exchange_id = CASE WHEN a.state IN ('done', 'failed') THEN least(named.id + 5, named.last) END"
    " FROM (SELECT o.id AS attempt, e.last, e.first + (e.last - e.first) * (o.id - m.first) / (m.last - m.first) AS id"
    "       FROM attempts o, (SELECT min(id) AS first, max(id) AS last FROM exchanges) e,"
    "       (SELECT min(id) AS first, max(id) AS last FROM attempts) m) named"
    " WHERE a.id = named.attempt AND a.sent_at IS NOT NULL",
    "SELECT record_act(1, 'looked at', 'order', n, '', NULL, NULL) FROM generate_series(1, 200000) n",
    "INSERT INTO webhook_endpoints (customer_id, url, events, sealed)"
    " SELECT min(id), 'https://panel.example/hook', '{order.completed}', 'sealed' FROM customers",
    "INSERT INTO webhook_events (customer_id, kind, subject, body)"
    " SELECT e.customer_id, 'order.completed', 'order ' || n, '{}'"
    " FROM webhook_endpoints e, generate_series(1, 200000) n",
    "INSERT INTO webhook_deliveries (event_id, endpoint_id, state)"
    " SELECT v.id, e.id, CASE WHEN v.id < 9 THEN 'failed' ELSE 'delivered' END"
    " FROM webhook_events v, webhook_endpoints e",
    "UPDATE orders SET late_at = created_at + interval '1 hour', escalated_at = CASE WHEN id % 2 = 0 THEN now() END"
    " WHERE state = 'in_progress'",
)
_UNCLEAR = """
WITH unclear AS (
    UPDATE attempts a SET state = 'unclear', remote_id = NULL, placed_at = NULL
    FROM orders o WHERE o.id = a.order_id AND o.state = 'in_progress' AND a.state = 'placed' AND o.id % 5 = 0
    RETURNING a.id, a.order_id
)
UPDATE order_events e SET new_state = 'unclear' FROM unclear u
WHERE e.order_id = u.order_id AND e.attempt_id = u.id AND e.new_state = 'placed'
"""


async def furnish(url: str, sealer: Sealer, scale: Scale = HOUSE) -> None:
    """Fill a migrated, empty database; what stands in it then passes the audit, or RuntimeError."""
    db = Database(url, pool_size=2)
    await db.open()
    try:
        await open_shop(db, sealer, scale)
        async with db.transaction() as conn:
            for number in range(2, SUPPLIERS + 1):
                config = {"base_url": "http://127.0.0.1:9", "username": "nobody", "api_key": "nobody's"}
                await add(conn, sealer, name=f"Upstream {number}", kind="dhru", config=config, currency="USD")
            await conn.execute(_SPREAD)
            await conn.execute(_UNMAPPED)
        await _owner(db)
        await asyncio.to_thread(_write, url, scale)
        await build_hours(db)
        await build_due(db)
        async with db.transaction() as conn:
            await watch_balances(conn)
        result = await audit(db)
        if not result.ok:
            raise RuntimeError(f"the house is not what the order path would have left: {result.breaks}")
        async with db.pool.connection() as conn:
            await conn.execute("VACUUM ANALYZE")
    finally:
        await db.close()


def _write(url: str, scale: Scale) -> None:
    write_history(url, scale.transfers, days=DAYS)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("SET synchronous_commit = off")
        for statement in (*_WAITING, _UNCLEAR):
            conn.execute(statement)
        for table in ("orders", "attempts"):
            conn.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


async def _owner(db: Database) -> None:
    hashed = await hash_password(PASSWORD)
    async with db.transaction() as conn:
        member = await get_member(conn, await create_staff(conn, email=EMAIL, name="Owner", role="owner"))
        await set_password(conn, member.login_id, hashed)


def main() -> None:
    """Fill the database that is named."""
    parser = argparse.ArgumentParser(prog="python -m bench.house", description="Fill an empty database.")
    parser.add_argument("url", help="postgresql://…")
    parser.add_argument("--orders", type=int, default=1_000_000)
    words = parser.parse_args()
    started = time.monotonic()
    migrate(words.url)
    asyncio.run(furnish(words.url, Sealer([os.environ["SECRET_KEY"]]), replace(HOUSE, transfers=words.orders * 5 // 2)))
    print(f"{words.orders:,} orders in {time.monotonic() - started:.0f} s; sign in as {EMAIL}, password: {PASSWORD}")


if __name__ == "__main__":
    main()
