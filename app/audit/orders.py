"""Proves the promises about each order: its price, its transfers, its attempts and its events.

Orders are looked at in slices of their ids, so that a slice's rows of all four tables are joined in little memory
however many there are, and so that several connections can share the work. In one pass over a slice every promise is
counted; only of a slice in which one is broken the breaks are then read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.audit.promises import Broken, Finding, Listing, Promise
from app.db import Connection
from app.orders.states import AttemptState, OrderState

# Enough for the plan to be worth its while, and few enough for their rows to fit into the memory of one sort or hash.
SLICE = 100_000
FIRST_ID = -(2**63)
LAST_ID = 2**63 - 1

_LIVE = ("prepared", "sending", "placed", "unclear")
_MAYBE_THERE = ("sending", "placed", "unclear")
"""The supplier has it or may have it."""

# Those that most events lead to come first, because they are compared in this order.
_COMMON = (OrderState.COMPLETED, AttemptState.DONE, AttemptState.PLACED, OrderState.IN_PROGRESS)
_CODES = {state: code for code, state in enumerate(dict.fromkeys([*_COMMON, *OrderState, *AttemptState]), start=1)}
_CODE_SPAN = 32


def _code(column: str) -> str:
    """Return SQL for the number of a state; zero for a word that is none."""
    return f"CASE {column} " + " ".join(f"WHEN '{state}' THEN {code}" for state, code in _CODES.items()) + " ELSE 0 END"


def _among(column: str, states: Sequence[str]) -> str:
    return f"{column} IN (" + ", ".join(f"'{state}'" for state in states) + ")"


def _transfer(alias: str, kind: str) -> str:
    # Each kind has an index of its own by order; the bounds once more, because a join does not hand them on.
    return (
        f"LEFT JOIN transfers {alias} ON {alias}.order_id = o.id AND {alias}.kind = '{kind}'"
        f" AND {alias}.order_id BETWEEN %(low)s AND %(high)s"
    )


# A transaction carries the time of its beginning, and a machine's clock may be set back a little.
_SLACK = "interval '5 minutes'"

# The last event of an order and of each of its attempts: the highest id, with the number of its state behind it.
# Of attempts, "staff" are those that staff ordered at a cost they agreed to, and an attempt that was given up counts as
# neither theirs nor ours: it may have been bought, the order went on without it, and that is in its events.
_OURS = "a.max_cost IS NULL AND t.given_up IS NOT TRUE"
_STAFFS = "a.max_cost IS NOT NULL AND t.given_up IS NOT TRUE"
_FACTS = f"""
WITH told AS MATERIALIZED (
    SELECT order_id, attempt_id, max(id * {_CODE_SPAN} + {_code("new_state")}) %% {_CODE_SPAN} AS last,
           bool_or(new_state = 'abandoned') AS given_up
    FROM order_events WHERE order_id BETWEEN %(low)s AND %(high)s AND new_state IS NOT NULL
    GROUP BY order_id, attempt_id
), tries AS (
    SELECT a.order_id, count(*) AS attempts,
           count(*) FILTER (WHERE {_among("a.state", _LIVE)}) AS live,
           count(*) FILTER (WHERE {_OURS} AND {_among("a.state", _LIVE)}) AS our_live,
           count(*) FILTER (WHERE {_OURS} AND {_among("a.state", _MAYBE_THERE)}) AS our_maybe_there,
           count(*) FILTER (WHERE {_STAFFS} AND {_among("a.state", _MAYBE_THERE)}) AS staff_maybe_there,
           count(*) FILTER (WHERE {_OURS} AND a.state = 'done') AS our_done,
           count(*) FILTER (WHERE {_STAFFS} AND a.state = 'done') AS staff_done,
           count(*) FILTER (WHERE a.state IN ('placed', 'done', 'failed') AND COALESCE(a.remote_id, '') = '')
               AS without_remote_id,
           count(*) FILTER (WHERE NOT COALESCE(t.last = {_code("a.state")}, a.state IN ('prepared', 'sending')))
               AS told_otherwise,
           string_agg(concat_ws(' ', a.number, a.state, a.remote_id), ', ' ORDER BY a.number) AS story
    FROM attempts a LEFT JOIN told t ON t.attempt_id = a.id
    WHERE a.order_id BETWEEN %(low)s AND %(high)s GROUP BY a.order_id
), facts AS (
    SELECT o.id, o.state, o.price, o.currency, o.quantity, o.delivered, o.created_at,
           o.state IN ('accepted', 'in_progress') AS open,
           o.price * COALESCE(o.delivered, o.quantity) / NULLIF(o.quantity, 0) AS sold,
           p.id AS account_id, p.currency AS account_currency,
           c.id AS charge_id, c.amount AS charged, c.debit_id AS payer, c.created_at AS charged_at,
           s.amount AS settled, r.amount AS refunded, v.amount AS reversed,
           r.credit_id AS refunded_to, v.credit_id AS reversed_to,
           num_nonnulls(c.id, s.id, r.id, v.id) AS transfers,
           LEAST(s.id, r.id, v.id) AS outcome_id,
           LEAST(c.created_at, s.created_at, r.created_at, v.created_at) AS first_transfer_at,
           concat_ws(', ', 'charge ' || c.amount, 'settle ' || s.amount, 'refund ' || r.amount, 'reverse ' || v.amount)
               AS money,
           COALESCE(t.last = {_code("o.state")}, o.state = 'accepted') AS told,
           o.repeats_id, o.held, COALESCE(a.attempts, 0) AS attempts, COALESCE(a.live, 0) AS live,
           COALESCE(a.our_live, 0) AS our_live, COALESCE(a.our_maybe_there, 0) AS our_maybe_there,
           COALESCE(a.staff_maybe_there, 0) AS staff_maybe_there,
           COALESCE(a.our_done, 0) AS our_done, COALESCE(a.staff_done, 0) AS staff_done,
           a.without_remote_id, a.told_otherwise,
           COALESCE(a.story, 'none') AS story
    FROM orders o
    LEFT JOIN accounts p ON p.customer_id = o.customer_id
    {_transfer("c", "charge")}
    {_transfer("s", "settle")}
    {_transfer("r", "refund")}
    {_transfer("v", "reverse")}
    LEFT JOIN tries a ON a.order_id = o.id
    LEFT JOIN told t ON t.order_id = o.id AND t.attempt_id IS NULL
    WHERE o.id BETWEEN %(low)s AND %(high)s
)
"""


def _promise(words: str, broken: str, detail: str) -> Promise:
    return Promise(words, broken, subject="'order ' || id", detail=detail)


_OUTCOME_KEPT = """
CASE WHEN state IN ('accepted', 'in_progress') THEN num_nonnulls(settled, refunded, reversed) = 0
     WHEN state = 'completed'
     THEN COALESCE(settled, 0) = sold AND COALESCE(refunded, 0) = price - sold AND reversed IS NULL
     WHEN settled IS NULL THEN COALESCE(refunded, 0) = price AND reversed IS NULL
     ELSE settled = sold AND reversed = settled AND COALESCE(refunded, 0) = price - sold
END
"""

# Rejected with the money given back from escrow, not reversed after a delivery. What cost nothing leaves no trace.
_REFUNDED = "state = 'rejected' AND sold > 0 AND reversed IS NULL"

PROMISES = (
    _promise(
        "every price is a price",
        broken="(price >= 0 AND quantity >= 1 AND price %% NULLIF(quantity, 0) = 0 AND COALESCE(delivered, 1) >= 1"
        " AND COALESCE(delivered, 0) < quantity AND currency = account_currency) IS NOT TRUE",
        detail="concat('price ', price, ' ', currency, ' for ', quantity, ' pieces, account in ', account_currency)",
    ),
    _promise(
        "every order was charged once, its price, to its customer",
        broken="COALESCE(charged, 0) <> price OR payer <> account_id",
        detail="'price ' || price || ', charged ' || COALESCE(charged::text, 'nothing')"
        " || COALESCE(' to account ' || payer, '')",
    ),
    _promise(
        "every order has exactly the outcome its state names",
        broken=f"({_OUTCOME_KEPT}) IS NOT TRUE",
        detail="concat(state, ' with ', COALESCE(NULLIF(money, ''), 'no transfer'))",
    ),
    _promise(
        "money goes back to the customer who paid",
        broken="refunded_to <> account_id OR reversed_to <> account_id",
        detail="concat('account ', account_id, ', given back to ', concat_ws(' and ', refunded_to, reversed_to))",
    ),
    _promise(
        "no transfer comes before its order, no outcome before its charge",
        broken=f"first_transfer_at < created_at - {_SLACK} OR outcome_id < charge_id",
        detail="concat('placed ', created_at, ', first transfer ', first_transfer_at)",
    ),
    _promise(
        "every completed order was delivered by exactly one attempt",
        # Or by one that staff ordered; or it repeats what an earlier order brought.
        broken="""state = 'completed' AND CASE WHEN repeats_id IS NOT NULL THEN our_done > 0
                                             ELSE our_done > 1 OR our_done + staff_done = 0 END
                  OR open AND our_done + staff_done > 0""",
        detail="concat(state, ', attempts: ', story)",
    ),
    _promise(
        "no order was delivered and refunded",
        broken=f"{_REFUNDED} AND our_done + staff_done > 0",
        detail="concat('rejected, attempts: ', story)",
    ),
    _promise(
        "no order was bought twice, unless staff said so",
        broken="our_maybe_there + our_done > 1",
        detail="concat('attempts: ', story)",
    ),
    _promise(
        "no supplier is at work on a closed order, unless staff said so",
        # An attempt that was only prepared is put aside when its turn comes.
        broken=f"""NOT open AND our_maybe_there > 0 OR state = 'completed' AND our_live > 0
                   OR {_REFUNDED} AND staff_maybe_there > 0""",
        detail="concat(state, ', attempts: ', story)",
    ),
    _promise(
        "every open order has an attempt at work or waits for a person",
        broken="open AND live = 0 AND held IS NULL",
        detail="concat(state, ', attempts: ', story)",
    ),
    _promise(
        "what a supplier has is known by their id",
        broken="without_remote_id > 0",
        detail="concat('attempts: ', story)",
    ),
    _promise(
        "every order's state is that of its last event",
        broken="NOT told",
        detail="concat('is ', state)",
    ),
    _promise(
        "every attempt's state is that of its last event",
        broken="told_otherwise > 0",
        detail="concat('attempts: ', story)",
    ),
)

_COUNT = (
    _FACTS
    + "SELECT count(*) AS orders, COALESCE(sum(transfers), 0)::bigint AS transfers,"
    + " COALESCE(sum(attempts), 0)::bigint AS attempts, "
    + ", ".join(f"count(*) FILTER (WHERE {promise.broken}) AS p{n}" for n, promise in enumerate(PROMISES))
    + " FROM facts"
)


@dataclass(frozen=True, slots=True)
class Slice:
    """The orders with ids from ``low`` to ``high``."""

    low: int
    high: int


class Seen(NamedTuple):
    """How many orders were looked at, and how many transfers and attempts of theirs."""

    orders: int = 0
    transfers: int = 0
    attempts: int = 0

    def plus(self, other: "Seen") -> "Seen":
        """Return the sums of both."""
        return Seen(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


async def slice_after(conn: Connection, low: int) -> Slice:
    """Return the slice that begins with the id ``low``; the last one ends with the highest number there is."""
    cursor = await conn.execute("SELECT id FROM orders WHERE id >= %s ORDER BY id OFFSET %s LIMIT 1", (low, SLICE - 1))
    row = await cursor.fetchone()
    return Slice(low, row["id"] if row else LAST_ID)


async def count_breaks(conn: Connection, part: Slice) -> tuple[Seen, dict[Promise, int]]:
    """Return what a slice has and how often which promise is broken in it; ``conn`` has the audit's snapshot."""
    row = await (await conn.execute(_COUNT, {"low": part.low, "high": part.high})).fetchone()
    assert row is not None  # noqa: S101  a select of counts returns one row
    breaks = {promise: row[f"p{n}"] for n, promise in enumerate(PROMISES) if row[f"p{n}"]}
    return Seen(row["orders"], row["transfers"], row["attempts"]), breaks


async def read_breaks(conn: Connection, part: Slice, promise: Promise, limit: int) -> list[Finding]:
    """Return the first ``limit`` breaks of a promise in a slice."""
    cursor = await conn.execute(
        f"{_FACTS} SELECT {promise.subject} AS subject, {promise.detail} AS detail FROM facts"
        f" WHERE {promise.broken} ORDER BY id LIMIT %(limit)s",
        {"low": part.low, "high": part.high, "limit": limit},
    )
    return [Finding(promise.words, row["subject"], row["detail"]) for row in await cursor.fetchall()]


_SAME_REMOTE_ID = Listing(
    "a supplier's id is that of one attempt",
    """
    SELECT 'supplier ' || supplier_id AS subject,
           'their order ' || remote_id || ' is that of ' || count(*) || ' attempts' AS detail
    FROM attempts WHERE remote_id IS NOT NULL GROUP BY supplier_id, remote_id HAVING count(*) > 1
    """,
)
_STRAY_TRANSFERS = Listing(
    "every transfer for an order has its order, and is the only one of its kind there",
    """
    SELECT 'order ' || t.order_id AS subject,
           concat(count(*), ' of kind ', t.kind, ', the first is transfer ', min(t.id),
                  CASE WHEN min(o.id) IS NULL THEN '; there is no such order' END) AS detail
    FROM transfers t LEFT JOIN orders o ON o.id = t.order_id WHERE t.order_id IS NOT NULL
    GROUP BY t.order_id, t.kind HAVING count(*) > 1 OR min(o.id) IS NULL ORDER BY t.order_id
    """,
)
_STRAY_ATTEMPTS = Listing(
    "every attempt has its order",
    """
    SELECT 'attempt ' || id AS subject, 'there is no order ' || order_id AS detail
    FROM attempts a WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = a.order_id) ORDER BY id
    """,
)
LISTINGS = (_SAME_REMOTE_ID, _STRAY_TRANSFERS, _STRAY_ATTEMPTS)


async def prove_remote_ids(conn: Connection) -> Broken:
    """Return the ids of suppliers that two attempts have."""
    return await _SAME_REMOTE_ID.read(conn)


async def prove_nothing_is_left(conn: Connection, seen: Seen, *, for_orders: int) -> Broken:
    """Return the rows that belong to no order or are one too many; ``for_orders`` is how many transfers name one.

    They show in the numbers: a row without an order is in no slice, and an order is in its slice once for each of two
    transfers of a kind.
    """
    cursor = await conn.execute(
        "SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM attempts) AS attempts"
    )
    there = await cursor.fetchone()
    assert there is not None  # noqa: S101  a select of counts returns one row
    broken: Broken = {}
    if (seen.transfers, seen.orders) != (for_orders, there["orders"]):
        broken |= await _STRAY_TRANSFERS.read(conn)
    if (seen.attempts, seen.orders) != (there["attempts"], there["orders"]):
        broken |= await _STRAY_ATTEMPTS.read(conn)
    return broken
