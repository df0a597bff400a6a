"""Tells customers which services are new to them, gone, or cost them something else.

Prices come from lists, groups, own prices and rules, and a change of one of them changes nothing for many customers.
So what a customer was told last is kept, for those with an endpoint that wants it, and compared with what holds now
whenever the catalogue's version rose: all of a reading's changes make one message, in parts of at most 500 services.
"""

from app.db import Connection
from app.money import format_amount
from app.webhooks.events import publish
from app.webhooks.kinds import EventKind

PART = 500
MAX_CUSTOMERS = 100
"""How many customers one round names; the next follows at once."""

_COMPARED = """
SELECT COALESCE(n.id, t.service_id) AS id, COALESCE(n.name, t.name) AS name, t.price AS old, n.price AS new,
       (SELECT currency::text FROM customers WHERE id = %(customer)s) AS currency
FROM sold_to(%(customer)s) n
FULL JOIN (SELECT service_id, name, price FROM webhook_told_prices WHERE customer_id = %(customer)s) t
       ON t.service_id = n.id
WHERE n.price IS DISTINCT FROM t.price
ORDER BY 1
"""


async def remember_told(conn: Connection, customer_id: int) -> None:
    """Take what is sold now as known to the customer, unless something is known already."""
    # The version first: what changes in between is told although it was known, which does no harm.
    cursor = await conn.execute(
        "INSERT INTO webhook_told_catalogs (customer_id, version) SELECT %s, version FROM catalog_version"
        " ON CONFLICT DO NOTHING",
        (customer_id,),
    )
    if cursor.rowcount:
        await conn.execute(
            "INSERT INTO webhook_told_prices (customer_id, service_id, name, price)"
            " SELECT %(customer)s, id, name, price FROM sold_to(%(customer)s)",
            {"customer": customer_id},
        )


async def forget_told(conn: Connection, customer_id: int) -> None:
    """Keep no longer what the customer knows of prices."""
    await conn.execute("DELETE FROM webhook_told_prices WHERE customer_id = %s", (customer_id,))
    await conn.execute("DELETE FROM webhook_told_catalogs WHERE customer_id = %s", (customer_id,))


async def behind(conn: Connection) -> list[int]:
    """Return customers who were told of an older catalogue than the newest, those longest behind first."""
    cursor = await conn.execute(
        "SELECT t.customer_id FROM webhook_told_catalogs t JOIN catalog_version c ON t.version < c.version"
        " ORDER BY t.version, t.customer_id LIMIT %s",
        (MAX_CUSTOMERS,),
    )
    return [row["customer_id"] for row in await cursor.fetchall()]


async def tell_changes(conn: Connection, customer_id: int) -> int:
    """Write down what changed for one customer and return how many services that were. ``conn`` is in a transaction."""
    cursor = await conn.execute(
        "SELECT t.version AS told, c.version FROM webhook_told_catalogs t, catalog_version c"
        " WHERE t.customer_id = %s FOR UPDATE OF t",
        (customer_id,),
    )
    row = await cursor.fetchone()
    if row is None or row["told"] >= row["version"]:
        return 0
    changes = await (await conn.execute(_COMPARED, {"customer": customer_id})).fetchall()
    for start in range(0, len(changes), PART):
        part = [_told(change) for change in changes[start : start + PART]]
        await publish(conn, customer_id, EventKind.SERVICE_CHANGED, subject="services", body={"services": part})
    await conn.execute(
        "DELETE FROM webhook_told_prices WHERE customer_id = %s AND service_id = ANY (%s)",
        (customer_id, [change["id"] for change in changes if change["new"] is None]),
    )
    await conn.execute(
        "INSERT INTO webhook_told_prices (customer_id, service_id, name, price)"
        " SELECT %s, u.id, u.name, u.price FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS u(id, name, price)"
        " ON CONFLICT (customer_id, service_id) DO UPDATE SET name = excluded.name, price = excluded.price",
        (
            customer_id,
            *([change[column] for change in changes if change["new"] is not None] for column in ("id", "name", "new")),
        ),
    )
    await conn.execute(
        "UPDATE webhook_told_catalogs SET version = %s WHERE customer_id = %s", (row["version"], customer_id)
    )
    return len(changes)


def _told(change: dict[str, object]) -> dict[str, object]:
    old, new = change["old"], change["new"]
    return {
        "id": change["id"],
        "name": change["name"],
        "change": "added" if old is None else "removed" if new is None else "price",
        "price": format_amount(new) if isinstance(new, int) else None,
        "old_price": format_amount(old) if isinstance(old, int) else None,
        "currency": change["currency"],
    }
