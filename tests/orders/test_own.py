"""The lists of customers' own orders: by time they are what a look at every order would find."""

from datetime import UTC, datetime, timedelta
from random import Random

from app.db import Database
from app.orders.own import OwnFilter, list_own
from app.sealing import Sealer
from tests.factories import make_customer, make_shop

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

_OLD = """
INSERT INTO orders (customer_id, service_id, price, currency, quantity, device, fields, reference, fingerprint, guarded,
                    source, state, result, created_at, closed_at)
SELECT %s, %s, 0, 'USD', 1, '', '{}', '', '', false, 'test', 'completed', 'x', at, at FROM unnest(%s::timestamptz[]) at
RETURNING id, created_at
"""


async def test_by_time_it_is_what_a_look_at_every_order_finds(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    random = Random(5)
    known: dict[int, datetime] = {}
    async with db.transaction() as conn:
        other, *_ = await make_customer(conn, sealer, name="Other")
        at = BEGIN
        for _ in range(60):
            # Orders of one customer between those of another; each may have waited some minutes for its turn.
            for customer in random.choices((shop.customer_id, other), k=3):
                at += timedelta(hours=random.choice((0, 0, 1, 50)))
                times = [at - timedelta(minutes=random.randrange(30)) for _ in range(random.randrange(1, 5))]
                rows = await (await conn.execute(_OLD, (customer, shop.imei_service, times))).fetchall()
                known |= {row["id"]: row["created_at"] for row in rows if customer == shop.customer_id}
    edges = [*random.sample(list(known.values()), 12), BEGIN - timedelta(days=9), at + timedelta(days=9), at]
    async with db.pool.connection() as conn:
        for _ in range(120):
            since, until = (random.choice([None, *edges, edges[0] + timedelta(seconds=1)]) for _ in range(2))
            found = await list_own(conn, shop.customer_id, OwnFilter(since=since, until=until), limit=1000)
            wanted = [
                number
                for number, created in sorted(known.items(), reverse=True)
                if (since is None or created >= since) and (until is None or created < until)
            ]
            assert [row.id for row in found] == wanted, (since, until)
        none = await list_own(conn, 4711, OwnFilter(since=BEGIN, until=at), limit=10)
    assert none == []
