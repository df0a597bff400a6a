"""Makes prices from costs by the mark-up rules: inside a rule's limits at once, beyond them it waits for staff.

It works through the services in batches, each a transaction of its own that reads a few sets, decides in Python, and
writes a few sets; doing it again changes nothing. Triggers mark in ``pricing_due`` when something changed that prices
are made of. A price that was set by hand is never touched, and no price is made where no cost is known.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.catalog.markup import Rules, may_move, price_from_cost
from app.catalog.markup_rules import all_rules
from app.catalog.price_changes import lock_pricing
from app.catalog.tables import MAX_PRICE
from app.db import Connection, Database

BATCH = 1000
"""How many services one transaction makes prices for; while it writes, nobody else can change what is sold."""


class Verdict(StrEnum):
    """What is to become of a price: it stays, is set, waits for staff, was turned down by them, is theirs alone, or
    cannot be made because no cost is known or it would be above the highest price there is."""

    SAME = "same"
    APPLY = "apply"
    WAIT = "wait"
    DECLINED = "declined"
    BY_HAND = "by_hand"
    NO_COST = "no_cost"
    TOO_HIGH = "too_high"


@dataclass(frozen=True, slots=True)
class PricePlan:
    """What a rule makes of one price, in micro-units of ``currency`` for one piece.

    ``price_group_id`` None: the list price. ``old`` None: the group has no price of its own. ``cost`` and ``new`` are
    None if no route's cost is known. ``standing_id`` is the change that says this already: it waits or was turned down.
    """

    service_id: int
    service: str
    price_group_id: int | None
    price_group: str | None
    currency: str
    rule_id: int
    cost: int | None
    old: int | None
    new: int | None
    verdict: Verdict
    standing_id: int | None


@dataclass(frozen=True, slots=True)
class Planned:
    """What becomes of the prices of some services; ``last`` is the highest of their ids, ``more`` if others follow."""

    plans: list[PricePlan]
    last: int
    more: bool


@dataclass(frozen=True, slots=True)
class Made:
    """How many prices were set, wait for staff now, and could not be made because no cost is known."""

    applied: int = 0
    waiting: int = 0
    without_cost: int = 0


# The list price of each service, and each price group's for which there is a rule, whether the group has one yet or
# not. What was paid so far by a group that had none is the list price, if that is in their currency.
_TARGETS = """
WITH page AS (
    SELECT id, group_id, name, price, currency::text AS currency, price_source FROM services
    WHERE id > %(after)s AND id <= %(last)s
), targets AS (
    SELECT id AS service_id, group_id AS service_group_id, name AS service, NULL::bigint AS price_group_id,
           NULL::text AS price_group, currency, price AS old, price AS paid, price_source
    FROM page
    UNION ALL
    SELECT v.id, v.group_id, v.name, g.id, g.name, g.currency::text, p.price,
           COALESCE(p.price, CASE WHEN g.currency = v.currency THEN v.price END), COALESCE(p.price_source, 'rule')
    FROM page v
    JOIN price_groups g ON g.id IN (SELECT price_group_id FROM markup_rules)
    LEFT JOIN group_prices p ON p.price_group_id = g.id AND p.service_id = v.id
), costs AS (
    SELECT service_id, currency, (array_agg(cost ORDER BY priority, route_id))[1] AS first, max(cost) AS dearest
    FROM (
        SELECT w.service_id, w.currency, r.priority, r.route_id, convert_up(r.cost, r.currency, w.currency) AS cost
        FROM (SELECT DISTINCT service_id, currency FROM targets) w JOIN priced_routes r ON r.service_id = w.service_id
    ) c
    WHERE cost IS NOT NULL GROUP BY service_id, currency
)
SELECT t.*, c.first, c.dearest, s.id AS standing_id, s.old AS standing_old, s.new AS standing_new,
       s.state AS standing_state
FROM targets t
LEFT JOIN costs c ON c.service_id = t.service_id AND c.currency = t.currency
LEFT JOIN price_changes s ON s.service_id = t.service_id AND s.price_group_id IS NOT DISTINCT FROM t.price_group_id
      AND s.outdated_at IS NULL AND s.state IN ('waiting', 'rejected', 'undone')
ORDER BY t.service_id, t.price_group_id NULLS FIRST
"""


async def plan(conn: Connection, *, after: int = 0, limit: int) -> Planned:
    """Return what the rules make of the prices of the ``limit`` services after one; nothing is written.

    Prices that no rule is for are left out.
    """
    cursor = await conn.execute(
        "SELECT COALESCE(max(id), 0) AS last, EXISTS (SELECT FROM services WHERE id > max(page.id)) AS more"
        " FROM (SELECT id FROM services WHERE id > %s ORDER BY id LIMIT %s) page",
        (after, limit),
    )
    page = await cursor.fetchone()
    assert page is not None  # noqa: S101  an aggregate has a row
    rules = await all_rules(conn)
    cursor = await conn.execute(_TARGETS, {"after": after, "last": page["last"]})
    plans = [made for row in await cursor.fetchall() if (made := _plan(row, rules))]
    return Planned(plans, page["last"], page["more"])


def _plan(row: dict[str, Any], rules: Rules) -> PricePlan | None:
    rule = rules.rule_for(
        service_id=row["service_id"],
        service_group_id=row["service_group_id"],
        price_group_id=row["price_group_id"],
        currency=row["currency"],
    )
    if rule is None:
        return None
    cost, new = row[rule.cost_basis], None
    if cost is None:
        verdict = Verdict.NO_COST
    elif (new := price_from_cost(cost, rule.markup)) > MAX_PRICE:
        verdict = Verdict.TOO_HIGH
    elif new == row["old"]:
        verdict = Verdict.SAME
    elif row["standing_new"] == new and row["standing_state"] in ("rejected", "undone"):
        verdict = Verdict.DECLINED
    elif may_move(row["paid"], new, up_percent=rule.up_percent, down_percent=rule.down_percent):
        verdict = Verdict.APPLY
    else:
        verdict = Verdict.WAIT
    if row["price_source"] != "rule":
        verdict = Verdict.BY_HAND
    stands = verdict in (Verdict.DECLINED, Verdict.NO_COST) or (
        verdict is Verdict.WAIT and (row["standing_old"], row["standing_new"]) == (row["old"], new)
    )
    return PricePlan(
        **{name: row[name] for name in ("service_id", "service", "price_group_id", "price_group", "currency", "old")},
        rule_id=rule.id,
        cost=cost,
        new=new,
        verdict=verdict,
        standing_id=row["standing_id"] if stands else None,
    )


# A change that stands says what a rule made. It is over when the rule makes another price or sets this one now; also
# when the price was set by hand or no rule is for it any more. Where no cost is known nothing new is known either.
_OUTDATED = """
UPDATE price_changes c SET outdated_at = now()
WHERE c.service_id > %(after)s AND c.service_id <= %(last)s AND c.outdated_at IS NULL
  AND c.state IN ('waiting', 'rejected', 'undone') AND c.id <> ALL (%(kept)s)
"""

_GIVEN = """
WITH given AS (
    SELECT * FROM unnest(%(service)s::bigint[], %(price_group)s::bigint[], %(rule)s::bigint[], %(currency)s::text[],
                         %(cost)s::bigint[], %(old)s::bigint[], %(new)s::bigint[])
        AS g (service_id, price_group_id, rule_id, currency, cost, old, new)
)"""
_NOTE = """
INSERT INTO price_changes (service_id, price_group_id, rule_id, currency, cost, old, new, state, decided_at)
SELECT g.service_id, g.price_group_id, g.rule_id, g.currency, g.cost, g.old, g.new,
"""

# The check is the write: a price that was changed or taken in hand since it was read stays, and its mark is still due.
_WRITE_LIST = """written AS (
    UPDATE services v SET price = g.new FROM given g
    WHERE v.id = g.service_id AND v.price = g.old AND v.price_source = 'rule'
    RETURNING v.id AS service_id, NULL::bigint AS price_group_id
)"""
_WRITE_GROUP = """written AS (
    UPDATE group_prices p SET price = g.new FROM given g
    WHERE p.price_group_id = g.price_group_id AND p.service_id = g.service_id AND p.price = g.old
      AND p.price_source = 'rule'
    RETURNING p.service_id, p.price_group_id
)"""
_WRITE_FIRST = """written AS (
    INSERT INTO group_prices (price_group_id, service_id, price, price_source)
    SELECT price_group_id, service_id, new, 'rule' FROM given
    ON CONFLICT DO NOTHING RETURNING service_id, price_group_id
)"""
_FROM_WRITTEN = """'applied', now()
FROM given g JOIN written w
     ON w.service_id = g.service_id AND w.price_group_id IS NOT DISTINCT FROM g.price_group_id
"""

_WAIT = f"{_GIVEN}{_NOTE} 'waiting', NULL FROM given g"
_WRITES: Sequence[tuple[str, Callable[[PricePlan], bool]]] = (
    (_WRITE_LIST, lambda made: made.price_group_id is None),
    (_WRITE_GROUP, lambda made: made.price_group_id is not None and made.old is not None),
    (_WRITE_FIRST, lambda made: made.price_group_id is not None and made.old is None),
)


async def make_prices(db: Database) -> Made:
    """Make every price anew that a rule is for; return what became of them.

    The marks that were there when it began are done with; what changes meanwhile leaves marks of its own.
    """
    async with db.pool.connection() as conn:
        marks = [row["id"] for row in await (await conn.execute("SELECT id FROM pricing_due")).fetchall()]
    total, after = Made(), 0
    while True:
        async with db.transaction() as conn:
            await lock_pricing(conn)
            planned = await plan(conn, after=after, limit=BATCH)
            batch = await _write(conn, planned.plans, after=after, last=planned.last)
        total = Made(
            total.applied + batch.applied, total.waiting + batch.waiting, total.without_cost + batch.without_cost
        )
        if not planned.more:
            break
        after = planned.last
    async with db.pool.connection() as conn:
        await conn.execute("DELETE FROM pricing_due WHERE id = ANY (%s)", (marks,))
    return total


async def make_due_prices(db: Database) -> Made | None:
    """Make the prices anew if something changed that they are made of; None if nothing did."""
    async with db.pool.connection() as conn:
        due = await (await conn.execute("SELECT 1 FROM pricing_due LIMIT 1")).fetchone()
    return None if due is None else await make_prices(db)


async def _write(conn: Connection, plans: Sequence[PricePlan], *, after: int, last: int) -> Made:
    """Write what is to become of the prices of the services after ``after`` up to ``last``."""
    kept = [made.standing_id for made in plans if made.standing_id is not None]
    await conn.execute(_OUTDATED, {"after": after, "last": last, "kept": kept})
    applied = 0
    for written, chosen in _WRITES:
        given = [made for made in plans if made.verdict is Verdict.APPLY and chosen(made)]
        # A statement raises the catalogue's version even where it writes nothing, so none runs that has nothing to do.
        if given:
            cursor = await conn.execute(f"{_GIVEN}, {written}{_NOTE}{_FROM_WRITTEN}", _columns(given))
            applied += cursor.rowcount
    waiting = [made for made in plans if made.verdict is Verdict.WAIT]
    await conn.execute(_WAIT, _columns(made for made in waiting if made.standing_id is None))
    without = sum(made.verdict is Verdict.NO_COST for made in plans)
    return Made(applied, len(waiting), without)


def _columns(plans: Iterable[PricePlan]) -> dict[str, list[Any]]:
    rows = list(plans)
    return {
        "service": [made.service_id for made in rows],
        "price_group": [made.price_group_id for made in rows],
        "rule": [made.rule_id for made in rows],
        "currency": [made.currency for made in rows],
        "cost": [made.cost for made in rows],
        "old": [made.old for made in rows],
        "new": [made.new for made in rows],
    }
