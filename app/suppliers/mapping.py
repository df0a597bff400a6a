"""Mapping many remote services at once: planned first, then done exactly as it was planned, or not at all.

What was seen of a row is a digest of all that matters in it. Doing it makes the plan again with the remote services
locked, so that what changed since (a cost, a route that somebody else made, the same form sent twice) refuses it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.clean_names import clean_name
from app.catalog.markup import Markup, price_from_cost
from app.catalog.markup_rules import all_rules
from app.catalog.service import NewField, NewService, create_services
from app.catalog.tables import MAX_PRICE
from app.connectors.base import FieldType, ServiceType
from app.db import Connection, driver
from app.errors import Conflict, Invalid

MOST = 200
"""How many remote services are mapped at once."""


@dataclass(frozen=True, slots=True)
class How:
    """How services are made from remote ones.

    ``clean`` are rules of ``clean_names``; ``names`` are those that staff typed, by remote service. ``group`` is the
    name of one of ours, empty for theirs. ``markup`` makes prices by hand, None leaves them to the mark-up rules.
    """

    currency: str
    clean: frozenset[str] = frozenset()
    group: str = ""
    markup: Markup | None = None
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedService:
    """A service that would be made; ``cost`` and ``price`` are micro-units of the currency it is sold in.

    ``trouble`` says why it cannot be made, empty if it can. ``digest`` stands for what was seen of it.
    """

    remote_service_id: int
    supplier: str
    remote_id: str
    theirs: str
    name: str
    group: str
    type: str
    cost: int | None
    price: int | None
    fields: Sequence[NewField]
    notes: Sequence[str]
    trouble: str
    digest: str
    new: NewService | None

    @property
    def margin(self) -> int | None:
        """What would be left of the price."""
        return None if self.price is None or self.cost is None else self.price - self.cost


_REMOTE = """
SELECT m.id, s.name AS supplier, m.remote_id, m.name, m.group_name, m.type, m.takes_serial, m.takes_quantity,
       m.min_quantity, m.max_quantity, m.time, m.info, m.fields, m.removed_at IS NOT NULL AS gone,
       m.cost IS NULL AS unknown,
       convert_up(m.cost, COALESCE(NULLIF(m.currency, ''), s.currency), %(currency)s) AS cost,
       (SELECT count(*) FROM routes r WHERE r.remote_service_id = m.id) AS routes,
       (SELECT g.id FROM service_groups g
         WHERE g.name = COALESCE(NULLIF(%(group)s, ''), NULLIF(btrim(m.group_name), ''), s.name)) AS group_id
FROM remote_services m JOIN suppliers s ON s.id = m.supplier_id
WHERE m.id = ANY (%(ids)s)
ORDER BY array_position(%(ids)s::bigint[], m.id)
"""


async def lock_remote_services(conn: Connection, remote_service_ids: Sequence[int]) -> None:
    """Let nobody else map them until the transaction ends, and no reading change their costs; orders go on."""
    await conn.execute(
        "SELECT id FROM remote_services WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE", (list(remote_service_ids),)
    )


async def plan_services(conn: Connection, remote_service_ids: Sequence[int], how: How) -> list[PlannedService]:
    """Return the services that would be made from these remote ones; Invalid for too many of them."""
    if len(remote_service_ids) > MOST:
        raise Invalid(f"At most {MOST} are mapped at once.", field="remote")
    cursor = await conn.execute(
        _REMOTE, {"ids": list(remote_service_ids), "currency": how.currency, "group": how.group.strip()}
    )
    rows = await cursor.fetchall()
    rules = await all_rules(conn) if how.markup is None else None
    planned = []
    for row in rows:
        markup = how.markup
        if rules is not None:
            rule = rules.rule_for(
                service_id=0, service_group_id=row["group_id"] or 0, price_group_id=None, currency=how.currency
            )
            markup = rule.markup if rule else None
        planned.append(_planned(row, how, markup))
    return planned


async def make_services(
    session: AsyncSession, remote_service_ids: Sequence[int], how: How, *, seen: Mapping[int, str]
) -> list[int]:
    """Make the services of a plan with a route each, all or none, and return their ids.

    ``seen`` are the digests of what was shown. Invalid if one of them cannot be made, and Conflict if one is not what
    was seen.
    """
    async with driver(session) as conn:
        await lock_remote_services(conn, remote_service_ids)
        planned = await plan_services(conn, remote_service_ids, how)
    if {row.remote_service_id: row.digest for row in planned} != {
        remote: seen.get(remote) for remote in remote_service_ids
    }:
        raise Conflict("A cost, a rule or a route has changed since you looked, or they are mapped: look again.")
    wanted = [row.new for row in planned if row.new is not None]
    if len(wanted) < len(planned):
        raise Invalid("Some of them cannot be made: mend or untick them.", field="remote")
    made = await create_services(session, wanted)
    async with driver(session) as conn:
        await conn.execute(
            "INSERT INTO routes (service_id, remote_service_id) SELECT * FROM unnest(%s::bigint[], %s::bigint[])",
            (made, [row.remote_service_id for row in planned]),
        )
    return made


def _planned(row: dict[str, Any], how: How, markup: Markup | None) -> PlannedService:
    name = how.names.get(row["id"], "").strip() or clean_name(row["name"], how.clean)
    group = how.group.strip() or row["group_name"].strip() or row["supplier"]
    price = None if markup is None or row["cost"] is None else price_from_cost(row["cost"], markup)
    fields, notes = _fields(row["fields"])
    if row["routes"]:
        notes.append("It is mapped already; this makes another service.")
    trouble = _trouble(row, name=name, group=group, price=price, markup=markup)
    kind = ServiceType(row["type"])
    by_quantity = row["takes_quantity"]
    new = None
    if not trouble and price is not None:
        new = NewService(
            name=name,
            group=group,
            type=kind,
            price=price,
            currency=how.currency,
            device="imei_or_serial" if kind is ServiceType.IMEI and row["takes_serial"] else None,
            takes_quantity=by_quantity,
            min_quantity=_within(row["min_quantity"]) if by_quantity else None,
            max_quantity=_within(row["max_quantity"]) if by_quantity else None,
            time=row["time"][:200],
            info=row["info"][:20_000],
            fields=fields,
            price_source="rule" if how.markup is None else "manual",
        )
    seen = (
        row["id"], row["routes"], how.currency, how.markup is None, row["cost"], price, group, row["type"],
        row["fields"], trouble,
    )  # fmt: skip
    digest = hashlib.sha256(orjson.dumps(seen)).hexdigest()
    return PlannedService(
        row["id"], row["supplier"], row["remote_id"], row["name"], name, group, row["type"], row["cost"], price, fields,
        notes, trouble, digest, new,
    )  # fmt: skip


def _trouble(row: dict[str, Any], *, name: str, group: str, price: int | None, markup: Markup | None) -> str:
    troubles = (
        (row["gone"], "The supplier no longer offers it."),
        (len(name) > 300 or len(group) > 300, "A name has 1 to 300 characters."),
        (row["unknown"], "The supplier's price is not known."),
        (row["cost"] is None, "There is no exchange rate for the supplier's currency."),
        (markup is None, "No mark-up rule is for it: set one up, or give a mark-up here."),
        (price is not None and price > MAX_PRICE, "The price would be above the highest there is."),
    )
    return next((text for is_so, text in troubles if is_so), "")


def _fields(remote: Sequence[Mapping[str, Any]]) -> tuple[list[NewField], list[str]]:
    """Return the fields a service needs to bring what the remote one asks for, and what to know of them."""
    made: dict[str, NewField] = {}
    notes = []
    for one in remote:
        name = str(one["name"])[:200]
        options = tuple(str(option) for option in one.get("options", ()))[:1000]
        kind = FieldType(one.get("type", "text"))
        if kind in (FieldType.DROPDOWN, FieldType.RADIO) and not options:
            kind = FieldType.TEXT
            notes.append(f"{name.strip()} has nothing to choose from, so it is typed.")
        if name.strip():
            made.setdefault(
                name.strip().lower(),
                NewField(
                    name, kind, bool(one.get("required")), str(one.get("description", ""))[:2000], options,
                    str(one.get("pattern", ""))[:1000],
                ),
            )  # fmt: skip
    return list(made.values()), notes


def _within(quantity: int | None) -> int | None:
    # What no quantity can be is as good as no limit.
    return quantity if quantity is not None and 1 <= quantity <= 100_000 else None
