"""How long our credit at a supplier lasts at the rate of the last seven days, and the alarm when that is too short."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

from app.alarms.service import Alarming, AlarmKind, about_supplier, end_alarms, raise_all
from app.db import Connection
from app.errors import Invalid, NotFound
from app.money import MAX_AMOUNT, format_amount

MAX_RUNWAY_DAYS = 365
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Runway:
    """How an account stands, amounts in micro-units of ``currency``.

    ``balance`` is what the supplier said last, else what should be left by our books, None if neither is known.
    ``spent`` is what the orders of the last seven days cost that did not fail, in ``seconds``, which are fewer for an
    account that is younger. ``days`` is how many whole days the balance lasts so, None if that cannot be told.
    ``low_balance`` (None: any) and ``runway_days`` (0: any) are the least that staff want.
    """

    supplier_id: int
    supplier: str
    currency: str
    balance: int | None
    spent: int
    seconds: int
    low_balance: int | None
    runway_days: int
    books_tolerance: int

    @property
    def days(self) -> int | None:
        """Return the whole days that the balance lasts; None without a balance or without spending."""
        if self.balance is None or self.spent <= 0:
            return None
        return max(self.balance, 0) * self.seconds // (self.spent * _DAY)

    @property
    def low(self) -> str | None:
        """Return in a sentence why the account is too low, None if it is not."""
        if self.balance is None:
            return None
        if self.low_balance is not None and self.balance < self.low_balance:
            return (
                f"{self.supplier}: {format_amount(self.balance)} {self.currency} are left,"
                f" less than {format_amount(self.low_balance)}."
            )
        if self.days is not None and self.days < self.runway_days:
            left = f"{self.supplier}: {format_amount(self.balance)} {self.currency} are left"
            return f"{left}, which last for {self.days} days; wanted are {self.runway_days}."
        return None


# What was sent in the last minutes may still be under way, so it is left to who reads. A count that is an hour old is
# not believed any more: then all seven days are added up. Until then it misses what earlier orders came to since.
_COUNT_SPENDING: LiteralString = """
INSERT INTO supplier_spending AS k (supplier_id, currency, cost, counted_until)
SELECT s.id, s.currency, COALESCE(spent.cost, 0), now() - interval '10 minutes'
FROM suppliers s
LEFT JOIN (
    SELECT supplier_id, cost_currency, sum(cost) AS cost FROM attempts
    WHERE sent_at > now() - interval '7 days' AND sent_at <= now() - interval '10 minutes'
      AND state IN ('placed', 'done')
    GROUP BY supplier_id, cost_currency
) spent ON spent.supplier_id = s.id AND spent.cost_currency = s.currency
ORDER BY s.id
ON CONFLICT (supplier_id) DO UPDATE
SET currency = excluded.currency, cost = excluded.cost, counted_until = excluded.counted_until
"""
# Where no balance can be asked for, the last day's books and what moved since say what is left, if we paid anything in.
_RUNWAYS: LiteralString = """
WITH counted AS MATERIALIZED (
    SELECT s.id, s.currency, COALESCE(k.cost, 0) AS cost, COALESCE(k.counted_until, now() - interval '7 days') AS until
    FROM suppliers s
    LEFT JOIN supplier_spending k
      ON k.supplier_id = s.id AND k.currency = s.currency AND k.counted_until > now() - interval '1 hour'
    WHERE (%(supplier)s::bigint IS NULL OR s.id = %(supplier)s) AND (%(state)s::text IS NULL OR s.state = %(state)s)
), later AS MATERIALIZED (
    SELECT supplier_id, cost_currency, sent_at, cost FROM attempts
    WHERE sent_at > (SELECT min(until) FROM counted) AND state IN ('placed', 'done')
), spent AS (
    SELECT c.id, c.cost + COALESCE(sum(l.cost), 0) AS cost
    FROM counted c LEFT JOIN later l ON l.supplier_id = c.id AND l.cost_currency = c.currency AND l.sent_at > c.until
    GROUP BY c.id, c.cost
)
SELECT s.id AS supplier_id, s.name AS supplier, s.currency::text AS currency, COALESCE(s.balance, books.balance)
       AS balance, spent.cost::bigint AS spent,
       extract(epoch FROM LEAST(GREATEST(now() - s.created_at, interval '1 day'), interval '7 days'))::bigint
       AS seconds, s.low_balance, s.runway_days, s.books_tolerance
FROM suppliers s
JOIN spent ON spent.id = s.id
LEFT JOIN LATERAL (
    SELECT (d.expected
        + (SELECT COALESCE(sum(amount), 0) FROM supplier_deposits p
           WHERE p.supplier_id = s.id AND p.currency = s.currency AND p.at > d.to_at)
        - (SELECT COALESCE(sum(cost), 0) FROM attempts a
           WHERE a.supplier_id = s.id AND a.cost_currency = s.currency AND a.sent_at > d.to_at
             AND a.state IN ('placed', 'done')))::bigint AS balance
    FROM supplier_days d
    WHERE s.balance IS NULL AND d.supplier_id = s.id AND d.currency = s.currency
      AND EXISTS (SELECT FROM supplier_deposits p WHERE p.supplier_id = s.id)
    ORDER BY d.day DESC LIMIT 1
) books ON true
ORDER BY s.id
"""


async def runways(conn: Connection, *, state: str | None = None) -> list[Runway]:
    """Return how all accounts stand, of suppliers in a state or in any, those that last shortest first."""
    cursor = await conn.execute(_RUNWAYS, {"supplier": None, "state": state})
    found = [Runway(**row) for row in await cursor.fetchall()]
    return sorted(found, key=lambda one: (one.days is None, one.days or 0, one.supplier_id))


async def runway_of(conn: Connection, supplier_id: int) -> Runway:
    """Return how one account stands; NotFound if there is no such supplier."""
    row = await (await conn.execute(_RUNWAYS, {"supplier": supplier_id, "state": None})).fetchone()
    if row is None:
        raise NotFound("There is no such supplier.")
    return Runway(**row)


async def change_watch(conn: Connection, supplier_id: int, changes: Mapping[str, int | None]) -> None:
    """Change what of ``low_balance``, ``runway_days`` and ``books_tolerance`` is named.

    ``conn`` is inside a transaction. Raises NotFound, and Invalid with the field at fault.
    """
    for name, most in (("low_balance", MAX_AMOUNT), ("runway_days", MAX_RUNWAY_DAYS), ("books_tolerance", MAX_AMOUNT)):
        value = changes.get(name)
        if value is not None and not 0 <= value <= most:
            raise Invalid("It is neither below zero nor without measure.", field=f"watch.{name}")
        if value is None and name in changes and name != "low_balance":
            raise Invalid("A number is needed.", field=f"watch.{name}")
    cursor = await conn.execute(
        "UPDATE suppliers SET low_balance = CASE WHEN %(named)s THEN %(low_balance)s ELSE low_balance END,"
        " runway_days = COALESCE(%(runway_days)s, runway_days),"
        " books_tolerance = COALESCE(%(books_tolerance)s, books_tolerance) WHERE id = %(id)s",
        {
            "named": "low_balance" in changes,
            "low_balance": changes.get("low_balance"),
            "runway_days": changes.get("runway_days"),
            "books_tolerance": changes.get("books_tolerance"),
            "id": supplier_id,
        },
    )
    if not cursor.rowcount:
        raise NotFound("There is no such supplier.")
    await _tell(conn, [await runway_of(conn, supplier_id)])


async def watch_balances(conn: Connection) -> None:
    """Count what was spent, raise the alarm for every account that is too low and end it for the others.

    ``conn`` is inside a transaction.
    """
    await conn.execute(_COUNT_SPENDING)
    await _tell(conn, await runways(conn))


async def _tell(conn: Connection, accounts: list[Runway]) -> None:
    cursor = await conn.execute(
        "SELECT subject FROM alarms WHERE kind = %s AND state <> 'closed'", (AlarmKind.LOW_RUNWAY,)
    )
    live = {row["subject"] for row in await cursor.fetchall()}
    for account in accounts:
        subject = about_supplier(account.supplier_id)
        if account.low is None and subject in live:
            await end_alarms(conn, [AlarmKind.LOW_RUNWAY], subject)
    await raise_all(
        conn,
        [
            Alarming(AlarmKind.LOW_RUNWAY, about_supplier(account.supplier_id), account.low)
            for account in accounts
            if account.low is not None
        ],
    )
