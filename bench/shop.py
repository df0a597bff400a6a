"""A shop to measure with: customers with keys and credit, a catalogue routed to a supplier, orders from before."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.catalog.snapshot import load_catalog
from app.customers.keys import create_key
from app.customers.service import create_customer
from app.db import Connection, Database
from app.ledger.service import open_account, topup
from app.money import MICRO
from app.orders.service import place
from app.orders.wishes import make_wish
from app.sealing import Sealer
from app.suppliers.service import add, connect, get
from app.suppliers.sync import sync
from bench.scale import Scale

CREDIT = 1_000_000 * MICRO
SIMULATED = ("101", "102", "201")
"""Services of the simulator that deliver at its usual pace."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer's way in."""

    username: str
    key: str
    key_id: int


@dataclass(frozen=True, slots=True)
class Shop:
    """What there is to buy and who buys."""

    buyers: Sequence[Buyer]
    services: Sequence[int]
    catalog_version: int


def devices(first: int) -> Iterator[str]:
    """Yield IMEIs with a right check digit, another for each number from ``first`` on."""
    for number in itertools.count(first):
        body = f"35{number:012d}"
        total = sum(int(digit) for digit in body[::2])
        total += sum(sum(divmod(2 * int(digit), 10)) for digit in body[1::2])
        yield f"{body}{-total % 10}"


async def open_shop(db: Database, sealer: Sealer, scale: Scale) -> Shop:
    """Fill an empty database with a catalogue of ``scale`` that a supplier at a closed port would deliver."""
    async with db.transaction() as conn:
        supplier_id = await _supplier(conn, sealer, "http://127.0.0.1:9", "nobody's")
        await conn.execute("INSERT INTO service_groups (name) SELECT 'Group ' || g FROM generate_series(1, %s) g",
                           (scale.groups,))  # fmt: skip
        await conn.execute(
            "INSERT INTO services (group_id, name, type, device, price, currency, time, info)"
            " SELECT g.id, 'Carrier and lock status, variant ' || n, 'imei', 'imei', 2000000, 'USD', '1-24 Hours',"
            "        '<b>Clean IMEI only.</b><br>Not for barred devices. Variant ' || n"
            " FROM generate_series(1, %s) n"
            " JOIN (SELECT id, row_number() OVER (ORDER BY id) AS r FROM service_groups) g ON g.r = 1 + (n - 1) %% %s",
            (scale.services, scale.groups),
        )
        await conn.execute(
            "INSERT INTO remote_services (supplier_id, remote_id, name, group_name, type, cost, time, info,"
            "                             takes_serial, takes_quantity, fields)"
            " SELECT %s, id::text, name, 'Theirs', type, 1000000, time, info, false, false, '[]' FROM services",
            (supplier_id,),
        )
        await conn.execute(
            "INSERT INTO routes (service_id, remote_service_id)"
            " SELECT s.id, m.id FROM services s JOIN remote_services m ON m.remote_id = s.id::text"
        )
    return await _open(db, sealer, scale.customers)


async def open_reselling_shop(db: Database, sealer: Sealer, scale: Scale, port: int, api_key: str) -> Shop:
    """Fill an empty database with services that the simulator at ``port`` delivers."""
    async with db.transaction() as conn:
        supplier_id = await _supplier(conn, sealer, f"http://127.0.0.1:{port}", api_key)
        connector = connect(await get(conn, supplier_id), sealer)
    try:
        await sync(db, connector, supplier_id)
    finally:
        await connector.http.aclose()
    async with db.transaction() as conn:
        await conn.execute("INSERT INTO service_groups (name) VALUES ('Checks')")
        await conn.execute(
            "WITH made AS (INSERT INTO services (group_id, name, type, device, price, currency)"
            "     SELECT g.id, m.remote_id, 'imei', 'imei', 2000000, 'USD'"
            "     FROM remote_services m, service_groups g WHERE m.remote_id = ANY (%s) RETURNING id, name)"
            " INSERT INTO routes (service_id, remote_service_id)"
            " SELECT made.id, m.id FROM made JOIN remote_services m ON m.remote_id = made.name",
            (list(SIMULATED),),
        )
    return await _open(db, sealer, scale.customers)


async def _supplier(conn: Connection, sealer: Sealer, base_url: str, api_key: str) -> int:
    config = {"base_url": base_url, "username": "simulator", "api_key": api_key}
    return await add(conn, sealer, name="Upstream", kind="dhru", config=config, currency="USD")


async def _open(db: Database, sealer: Sealer, customers: int) -> Shop:
    buyers = []
    async with db.transaction() as conn:
        for number in range(1, customers + 1):
            customer_id = await create_customer(
                conn, name=f"Reseller {number}", email=f"reseller{number}@example.com", currency="USD"
            )
            await open_account(conn, customer_id, "USD")
            await topup(conn, customer_id, amount=CREDIT, reference="first", staff_id=None)
            key = await create_key(conn, sealer, customer_id, requests_per_minute=0)
            buyers.append(Buyer(key.username, key.key, key.id))
    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
    return Shop(tuple(buyers), tuple(catalog.services), catalog.version)


async def fill(db: Database, shop: Shop, count: int, imeis: Iterator[str]) -> dict[int, list[int]]:
    """Place ``count`` orders, as many for each customer, and return their ids by key id."""
    placed: dict[int, list[int]] = {}
    services = itertools.cycle(shop.services)
    async with db.pool.connection() as conn:
        catalog = await load_catalog(conn)
        for buyer in shop.buyers:
            wishes = [
                make_wish(catalog.services[next(services)], device=next(imeis), quantity=None, fields={})
                for _ in range(count // len(shop.buyers))
            ]
            outcomes = await place(
                conn,
                wishes,
                key_id=buyer.key_id,
                ip=None,
                catalog_version=catalog.version,
                source="bench",
                window_seconds=30,
            )
            placed[buyer.key_id] = [outcome.order_id for outcome in outcomes if outcome.order_id is not None]
        # Plans as they are on a system that lives: an empty table's would last for as long as a session does.
        await conn.execute("VACUUM ANALYZE")
    return placed


async def complete_half(db: Database) -> None:
    """Complete every other order with a result, as if a supplier had delivered it."""
    async with db.transaction() as conn:
        await conn.execute(
            "SELECT move_orders((SELECT json_agg(json_build_object('order', id, 'to', 'completed', 'result',"
            " 'Model: iPhone 14<br>Find My: OFF<br>Carrier: Unlocked')) FROM orders WHERE id % 2 = 0),"
            " ARRAY['accepted'], 'bench')"
        )
