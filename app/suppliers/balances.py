"""What suppliers say our accounts there hold: every reading is kept, and none changes the currency of an account."""

from datetime import datetime

from app.alarms.service import AlarmKind, about_supplier, end_alarms, raise_alarm
from app.db import Connection
from app.errors import NotFound
from app.money import Money

KEEP_ALL_DAYS, KEEP_DAYS = 30, 400
"""Readings are kept for so many days all of them, and for so many the first and the last of each day."""


async def asking_time(conn: Connection) -> datetime:
    """Return the database's time, to be taken before a balance is asked for: what is sent is measured by that clock."""
    row = await (await conn.execute("SELECT clock_timestamp() AS now")).fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM returns its row
    moment: datetime = row["now"]
    return moment


async def store_balance(
    conn: Connection, supplier_id: int, balance: Money, *, asked_at: datetime | None = None
) -> bool:
    """Write down what our account there holds, and return whether it is of the account's currency.

    The first reading decides the currency of an account; ``conn`` is inside a transaction. One in another currency is
    kept as a reading, changes nothing of the account, and is an alarm: its costs would turn into other amounts.
    ``asked_at`` is when it was asked for, by ``asking_time``.
    """
    await conn.execute(
        "INSERT INTO supplier_balances (supplier_id, amount, currency, asked_at) VALUES (%s, %s, %s, %s)",
        (supplier_id, balance.amount, balance.currency, asked_at),
    )
    cursor = await conn.execute(
        "UPDATE suppliers s SET balance = %(amount)s, balance_at = now(), currency = %(currency)s WHERE id = %(id)s"
        " AND (currency = %(currency)s OR (balance_at IS NULL AND NOT EXISTS"
        "      (SELECT FROM supplier_deposits d WHERE d.supplier_id = s.id)"
        "      AND NOT EXISTS (SELECT FROM attempts a WHERE a.supplier_id = s.id AND a.cost IS NOT NULL)))",
        {"amount": balance.amount, "currency": balance.currency, "id": supplier_id},
    )
    if cursor.rowcount:
        await end_alarms(conn, [AlarmKind.BALANCE_CURRENCY], about_supplier(supplier_id))
        return True
    cursor = await conn.execute("SELECT name, currency FROM suppliers WHERE id = %s", (supplier_id,))
    row = await cursor.fetchone()
    if row is not None:
        text = f"{row['name']} tells our balance as {balance}, but its account here is in {row['currency']}."
        await raise_alarm(conn, AlarmKind.BALANCE_CURRENCY, about_supplier(supplier_id), text)
    return False


async def change_currency(conn: Connection, supplier_id: int, currency: str) -> None:
    """Keep the account in another currency from now on; ``conn`` is inside a transaction.

    Its balance is unknown until it is read again; what was bought and paid in before keeps its currency. NotFound if
    there is no such supplier.
    """
    cursor = await conn.execute("SELECT currency FROM suppliers WHERE id = %s FOR NO KEY UPDATE", (supplier_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such supplier.")
    if row["currency"] != currency:
        await conn.execute("UPDATE suppliers SET currency = %s, balance = NULL WHERE id = %s", (currency, supplier_id))
        await end_alarms(conn, [AlarmKind.BALANCE_CURRENCY], about_supplier(supplier_id))


async def prune_readings(conn: Connection) -> int:
    """Remove readings that are too old to matter, and return how many; a day keeps its first and its last for long."""
    cursor = await conn.execute(
        "DELETE FROM supplier_balances b WHERE at < now() - make_interval(days => %(days)s)"
        " OR (at < now() - make_interval(days => %(all_days)s)"
        "  AND EXISTS (SELECT FROM supplier_balances e WHERE e.supplier_id = b.supplier_id AND e.at < b.at"
        "              AND e.at >= date_trunc('day', b.at, 'UTC'))"
        "  AND EXISTS (SELECT FROM supplier_balances l WHERE l.supplier_id = b.supplier_id AND l.at > b.at"
        "              AND l.at < date_trunc('day', b.at, 'UTC') + interval '1 day'))",
        {"days": KEEP_DAYS, "all_days": KEEP_ALL_DAYS},
    )
    return cursor.rowcount
