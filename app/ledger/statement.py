"""A customer's statement: every line of their account with the balance after it, all of them or a range.

The lines of an account are written one transaction after another, each with a later id and time (see the ledger's
functions). So a range of time is a range of ids, and a balance after a line, once read, never changes.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from app.db import Connection, Database
from app.errors import Invalid, NotFound

KINDS = ("charge", "refund", "reverse", "topup", "adjust")
"""The kinds of transfer that a customer's account sees."""

_CHUNK = 1000
_COLUMNS = "l.id, l.kind, l.change, l.currency::text, l.order_id, l.reference, l.reason, l.staff_id, l.created_at"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``change`` is signed from the customer's side, ``balance`` is that after it; both in micro-units."""

    id: int
    kind: str
    change: int
    currency: str
    order_id: int | None
    reference: str | None
    reason: str | None
    staff_id: int | None
    created_at: datetime
    balance: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are shown; None leaves none out. Balances stay those of the account, whatever is left out."""

    kind: str | None = None
    order_id: int | None = None

    def shows(self, line: Line) -> bool:
        """Whether the line is shown."""
        return self.kind in (None, line.kind) and self.order_id in (None, line.order_id)


@dataclass(frozen=True, slots=True)
class Span:
    """The lines of an account after the id ``after`` up to ``last``, and its balance before and after them."""

    account_id: int
    currency: str
    after: int
    last: int
    opening: int
    closing: int


_SPAN = """
WITH account AS (SELECT id, balance, currency::text FROM accounts WHERE customer_id = %(customer)s),
ends AS (
    SELECT COALESCE((
               SELECT l.id FROM account_lines l WHERE l.account_id = a.id AND l.created_at < %(since)s
               ORDER BY l.id DESC LIMIT 1), 0) AS after,
           COALESCE((
               SELECT l.id FROM account_lines l WHERE l.account_id = a.id AND l.created_at < %(until)s
               ORDER BY l.id DESC LIMIT 1), 0) AS last
    FROM account a
)
SELECT a.id AS account_id, a.currency, e.after, e.last,
       (a.balance - COALESCE((SELECT sum(l.change) FROM account_lines l
                              WHERE l.account_id = a.id AND l.id > e.after), 0))::bigint AS opening,
       (a.balance - COALESCE((SELECT sum(l.change) FROM account_lines l
                              WHERE l.account_id = a.id AND l.id > e.last), 0))::bigint AS closing
FROM account a, ends e
"""


async def span_of(
    conn: Connection, customer_id: int, *, since: datetime | None = None, until: datetime | None = None
) -> Span:
    """Return the customer's lines from ``since`` on and before ``until``, None for no end, and the balances around.

    Raises NotFound for an unknown customer, Invalid for an end before the beginning.
    """
    if since is not None and until is not None and until < since:
        raise Invalid("The end is before the beginning.", field="to")
    cursor = await conn.execute(
        _SPAN, {"customer": customer_id, "since": since or "-infinity", "until": until or "infinity"}
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such customer.")
    return Span(**row)


async def page(conn: Connection, span: Span, shown: Filter, *, before: int | None = None, limit: int) -> list[Line]:
    """Return lines of the span newest first, those with an id below ``before``."""
    conditions = ["l.account_id = %(account)s", "l.id > %(after)s", "l.id <= %(last)s", "l.id < %(before)s"]
    conditions += ["l.kind = %(kind)s"] if shown.kind is not None else []
    conditions += ["l.order_id = %(order)s"] if shown.order_id is not None else []
    # Balances are counted back from that of now, over the lines that came since: the newest pages are the cheapest.
    cursor = await conn.execute(
        f"WITH picked AS (SELECT l.id FROM account_lines l WHERE {' AND '.join(conditions)}"  # noqa: S608  constants
        " ORDER BY l.id DESC LIMIT %(limit)s), newer AS ("
        f" SELECT {_COLUMNS}, sum(l.change) OVER (ORDER BY l.id DESC) - l.change AS since"
        "  FROM account_lines l WHERE l.account_id = %(account)s AND l.id >= (SELECT min(id) FROM picked))"
        f" SELECT {_COLUMNS}, (a.balance - l.since)::bigint AS balance"
        " FROM newer l JOIN picked USING (id), accounts a WHERE a.id = %(account)s ORDER BY l.id DESC",
        {
            "account": span.account_id,
            "after": span.after,
            "last": span.last,
            "before": before or 2**63 - 1,
            "kind": shown.kind,
            "order": shown.order_id,
            "limit": limit,
        },
    )
    return [Line(**row) for row in await cursor.fetchall()]


async def lines(db: Database, span: Span, shown: Filter) -> AsyncIterator[Line]:
    """Yield the lines of the span oldest first; no connection is held between two thousands of them."""
    balance, after = span.opening, span.after
    while True:
        async with db.pool.connection() as conn:
            cursor = await conn.execute(
                f"SELECT {_COLUMNS} FROM account_lines l"  # noqa: S608  the columns are a constant
                " WHERE l.account_id = %s AND l.id > %s AND l.id <= %s ORDER BY l.id LIMIT %s",
                (span.account_id, after, span.last, _CHUNK),
            )
            rows = await cursor.fetchall()
        for row in rows:
            balance, after = balance + row["change"], row["id"]
            line = Line(**row, balance=balance)
            if shown.shows(line):
                yield line
        if len(rows) < _CHUNK:
            return
