"""Customers as staff see and change them: with their account's balance and their price group."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.customers.service import set_state
from app.db import Connection
from app.errors import Invalid, NotFound


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer with their account; amounts are micro-units of ``currency``."""

    id: int
    username: str
    name: str
    email: str
    state: str
    currency: str
    balance: int
    credit_limit: int
    credit_days: int | None
    overdue: bool
    price_group_id: int | None
    price_group: str | None
    created_at: datetime


_CUSTOMERS = """
SELECT c.id, c.username, c.name, c.email, c.state, c.currency, a.balance, a.credit_limit, a.credit_days, a.overdue,
       c.price_group_id, g.name AS price_group, c.created_at
FROM customers c JOIN accounts a ON a.customer_id = c.id LEFT JOIN price_groups g ON g.id = c.price_group_id
"""


async def get_customer(conn: Connection, customer_id: int) -> CustomerRow:
    """Return a customer; NotFound if there is none."""
    row = await (await conn.execute(f"{_CUSTOMERS} WHERE c.id = %s", (customer_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such customer.")
    return CustomerRow(**row)


async def find_customer(conn: Connection, text: str) -> CustomerRow:
    """Return the customer with this username, e-mail address or id; NotFound if there is none."""
    wanted = text.strip().lower()
    cursor = await conn.execute(
        f"{_CUSTOMERS} WHERE c.username = %(text)s OR lower(c.email) = %(text)s OR c.id::text = %(text)s"
        # A username may look like an id; the name was chosen by somebody, so it is what is meant.
        " ORDER BY c.username = %(text)s DESC, lower(c.email) = %(text)s DESC LIMIT 1",
        {"text": wanted},
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no customer {text.strip()[:100]!r}.")
    return CustomerRow(**row)


async def list_customers(
    conn: Connection,
    *,
    search: str = "",
    state: str | None = None,
    price_group_id: int | None = None,
    owing: bool = False,
    after: int = 0,
    limit: int,
) -> list[CustomerRow]:
    """Return customers with an id above ``after`` in order of id; ``search`` looks into name, username and address.

    Those in one ``state``, of one price group, or only those ``owing`` something.
    """
    cursor = await conn.execute(
        f"{_CUSTOMERS} WHERE c.id > %(after)s AND (%(search)s = '' OR"
        " position(lower(%(search)s) IN lower(concat_ws(' ', c.name, c.username, c.email))) > 0)"
        " AND (%(state)s::text IS NULL OR c.state = %(state)s)"
        " AND (%(group)s::bigint IS NULL OR c.price_group_id = %(group)s)"
        " AND (NOT %(owing)s OR a.balance < 0)"
        " ORDER BY c.id LIMIT %(limit)s",
        {
            "after": after,
            "search": search.strip(),
            "state": state,
            "group": price_group_id,
            "owing": owing,
            "limit": limit,
        },
    )
    return [CustomerRow(**row) for row in await cursor.fetchall()]


async def change_customer(conn: Connection, customer_id: int, changes: Mapping[str, Any]) -> None:
    """Change ``name``, ``state`` or ``price_group_id`` (None: the list prices); NotFound, Invalid."""
    await get_customer(conn, customer_id)
    if "name" in changes:
        name = changes["name"].strip()
        if not 1 <= len(name) <= 200:
            raise Invalid("A name has 1 to 200 characters.", field="name")
        await conn.execute("UPDATE customers SET name = %s WHERE id = %s", (name, customer_id))
    if "state" in changes:
        await set_state(conn, customer_id, changes["state"])
    if "price_group_id" in changes:
        await set_price_group(conn, customer_id, changes["price_group_id"])


async def set_price_group(conn: Connection, customer_id: int, price_group_id: int | None) -> None:
    """Put a customer into a price group of their currency, or into none; Invalid if there is no such group."""
    cursor = await conn.execute(
        "UPDATE customers c SET price_group_id = %(group)s WHERE c.id = %(customer)s AND (%(group)s::bigint IS NULL OR"
        " EXISTS (SELECT FROM price_groups g WHERE g.id = %(group)s AND g.currency = c.currency))",
        {"group": price_group_id, "customer": customer_id},
    )
    if cursor.rowcount == 0:
        raise Invalid("There is no such price group in the customer's currency.", field="price_group_id")
