"""Makes the rows that tests start from, through the same functions that staff use where there are any."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.customers.keys import create_key
from app.customers.service import create_customer
from app.db import Connection, Database
from app.ledger.service import open_account, topup
from app.money import MICRO
from app.sealing import Sealer
from app.suppliers.service import add

IMEIS = ("356557847079356", "356327109246188", "123456789876543", "355710060480006", "353047098598802")
"""IMEIs with a right check digit."""


def imei(number: int) -> str:
    """Return a valid IMEI, another for each number below ten million."""
    body = f"3565578{number:07d}"
    total = 0
    for position, digit in enumerate(int(character) for character in body):
        doubled = digit * 2 if position % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return f"{body}{-total % 10}"


@dataclass(frozen=True)
class Shop:
    """A customer with credit and a key, a supplier, and two services routed to it."""

    customer_id: int
    username: str
    key: str
    key_id: int
    supplier_id: int
    imei_service: int
    server_service: int


async def make_customer(
    conn: Connection, sealer: Sealer, *, credit: int = 1000 * MICRO, name: str = "Reseller", currency: str = "USD"
) -> tuple[int, str, str, int]:
    """Return a customer's id, username, key and key id."""
    customer_id = await create_customer(conn, name=name, email=f"{name.lower()}@example.com", currency=currency)
    await open_account(conn, customer_id, currency)
    if credit:
        await topup(conn, customer_id, amount=credit, reference="first", staff_id=None)
    key = await create_key(conn, sealer, customer_id)
    return customer_id, key.username, key.key, key.id


async def make_supplier(
    conn: Connection,
    sealer: Sealer,
    *,
    name: str = "Upstream",
    base_url: str = "http://127.0.0.1:9",
    currency: str = "USD",
    **config: object,
) -> int:
    """Return the id of a DHRU supplier; nothing answers at its default address."""
    return await add(
        conn,
        sealer,
        name=name,
        kind="dhru",
        config={"base_url": base_url, "username": "us", "api_key": "their-secret-key", **config},
        currency=currency,
    )


async def make_remote_service(
    conn: Connection,
    supplier_id: int,
    *,
    remote_id: str = "1",
    cost: int | None = MICRO,
    type: str = "imei",  # noqa: A002  the column's name
    fields: Sequence[Mapping[str, object]] = (),
) -> int:
    """Return the id of a service in a supplier's catalogue."""
    return await _id(
        conn,
        "INSERT INTO remote_services (supplier_id, remote_id, name, group_name, type, cost, time, info, takes_serial,"
        " takes_quantity, fields) VALUES (%s, %s, %s, 'Theirs', %s, %s, '', '', false, false, %s) RETURNING id",
        supplier_id,
        remote_id,
        f"Remote {remote_id}",
        type,
        cost,
        json.dumps(list(fields)),
    )


async def make_service(
    conn: Connection,
    *,
    name: str = "IMEI check",
    group: str = "Checks",
    type: str = "imei",  # noqa: A002
    device: str | None = None,
    price: int = 2 * MICRO,
    currency: str = "USD",
    fields: Sequence[Mapping[str, Any]] = (),
    **columns: object,
) -> int:
    """Return the id of a service of ours; ``fields`` are rows of service_fields, further columns by name."""
    group_id = await _id(
        conn,
        "INSERT INTO service_groups (name) VALUES (%s) ON CONFLICT (name) DO UPDATE SET name = excluded.name"
        " RETURNING id",
        group,
    )
    row: dict[str, object] = {
        "group_id": group_id,
        "name": name,
        "type": type,
        "device": device or ("imei" if type == "imei" else "none"),
        "price": price,
        "currency": currency,
        **columns,
    }
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    service_id = await _id(conn, f"INSERT INTO services ({names}) VALUES ({marks}) RETURNING id", *row.values())
    for position, field in enumerate(fields):
        full = {"service_id": service_id, "position": position, **field}
        names, marks = ", ".join(full), ", ".join(["%s"] * len(full))
        await _id(conn, f"INSERT INTO service_fields ({names}) VALUES ({marks}) RETURNING id", *full.values())
    return service_id


async def make_route(conn: Connection, service_id: int, remote_service_id: int, *, priority: int = 100) -> int:
    """Return the id of a route from a service of ours to a remote one."""
    return await _id(
        conn,
        "INSERT INTO routes (service_id, remote_service_id, priority) VALUES (%s, %s, %s) RETURNING id",
        service_id,
        remote_service_id,
        priority,
    )


async def make_shop(
    db: Database,
    sealer: Sealer,
    *,
    credit: int = 1000 * MICRO,
    base_url: str = "http://127.0.0.1:9",
    name: str = "Reseller",
) -> Shop:
    """Return a customer with ``credit`` and two routed services: an IMEI check at 2.00 and a server one at 5.00 that
    wants an ``Email``; they cost 1.00 and 3.00 at the supplier, under the remote ids 1 and 2."""
    async with db.transaction() as conn:
        customer_id, username, key, key_id = await make_customer(conn, sealer, credit=credit, name=name)
        supplier_id = await make_supplier(conn, sealer, base_url=base_url, name=f"{name}'s upstream")
        email = {"name": "Email", "required": True}
        imei_service = await make_service(conn)
        server_service = await make_service(
            conn, name="Activation", group="Server", type="server", price=5 * MICRO, fields=[email]
        )
        remote = await make_remote_service(conn, supplier_id)
        remote_server = await make_remote_service(
            conn, supplier_id, remote_id="2", cost=3 * MICRO, type="server", fields=[email]
        )
        await make_route(conn, imei_service, remote)
        await make_route(conn, server_service, remote_server)
    return Shop(customer_id, username, key, key_id, supplier_id, imei_service, server_service)


async def wait_until_locked(conn: Connection, waiting: int) -> None:
    """Return once so many locks are waited for, whoever by; a test that two do something at once begins there."""
    async with asyncio.timeout(60):
        while True:
            cursor = await conn.execute("SELECT FROM pg_locks WHERE NOT granted")
            if cursor.rowcount >= waiting:
                return
            await asyncio.sleep(0.01)


async def _id(conn: Connection, statement: str, *values: object) -> int:
    # Composed of constants above; the values travel apart from it.
    row = await (await conn.execute(statement, values)).fetchone()
    assert row is not None
    return int(row["id"])
