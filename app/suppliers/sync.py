"""Brings our copy of a supplier's catalogue up to date: as a set of changes, written only where something changed.

What a reading changes is compared with the limits of the supplier (``changes_limits``): inside them it is taken over at
once, outside it waits for staff (``changes``). While a rise of a price waits, nothing is bought there.

A list that is empty or suddenly much smaller removes nothing and counts as nobody's absence: suppliers' panels answer
so while they are broken. What it has is taken over. From other lists a service has to be missing several times running
before it counts as removed; it is marked then, never deleted. Where a catalogue really shrank, staff read it once more
and say that they believe it: what that one reading lacks is removed at once. An empty list is not believed even then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from app.connectors.base import Connector, RemoteService
from app.connectors.errors import Unclear
from app.db import Connection, Database
from app.money import MAX_AMOUNT
from app.suppliers import changes_found
from app.suppliers.balances import asking_time, store_balance

SHRINK_LIMIT = 0.5
"""A list that keeps less than this share of what we know is not believed about the rest."""

_MAX_COUNT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class SyncResult:
    """How many remote services came, changed, went, and were kept although the list lacks them.

    ``waiting`` counts the changes of this supplier that wait for staff now, those of earlier readings among them.
    """

    added: int
    changed: int
    removed: int
    held: int
    waiting: int


async def sync(
    db: Database,
    connector: Connector[Any],
    supplier_id: int,
    *,
    believed: bool = False,
    staff_id: int | None = None,
) -> SyncResult:
    """Read a supplier's balance and catalogue and take them over; the network is done with before anything is written.

    ``believed`` and ``staff_id`` are those of ``apply_catalog``.

    Raises the connector's words if the supplier cannot be read; then our copy stays as it is. A balance that is told in
    no readable form keeps nobody from reading the catalogue.
    """
    async with db.pool.connection() as conn:
        asked_at = await asking_time(conn)
    try:
        balance = await connector.balance()
    except Unclear:
        balance = None
    if balance is not None:
        # Before the catalogue, which may take minutes: the less time a reading spans, the more it proves.
        async with db.transaction() as conn:
            await store_balance(conn, supplier_id, balance, asked_at=asked_at)
    services = await connector.catalog()
    async with db.transaction() as conn:
        return await apply_catalog(conn, supplier_id, services, believed=believed, staff_id=staff_id)


async def apply_catalog(
    conn: Connection,
    supplier_id: int,
    services: Sequence[RemoteService],
    *,
    believed: bool = False,
    staff_id: int | None = None,
) -> SyncResult:
    """Take over a freshly read catalogue; ``conn`` is inside a transaction. Nothing is ever deleted, only marked.

    ``believed`` is a person's word (``staff_id``, None on the command line) that this list is right about what it
    lacks, however much that is: unless it is empty, all of that is removed now. Prices keep to the limits all the same.

    The number of statements does not depend on the number of services. The rows go to Postgres one by one, so that no
    second copy of the catalogue is made here.
    """
    await changes_found.stage(conn, _rows(services))
    # The lock of this row keeps a second reading and decisions of staff out, and lets orders be placed meanwhile.
    await conn.execute("UPDATE suppliers SET synced_at = now() WHERE id = %s", (supplier_id,))
    overlap = await changes_found.overlap(conn, supplier_id)
    trusted = overlap.listed > 0 and (believed or overlap.kept >= overlap.known * SHRINK_LIMIT)
    added = await changes_found.add_new(conn, supplier_id)
    await changes_found.find(conn, supplier_id, trusted=trusted, believed=believed)
    written = await changes_found.write(conn, supplier_id, believed=believed, staff_id=staff_id)
    return SyncResult(
        added=added,
        changed=written.changed,
        removed=written.removed,
        held=overlap.known - overlap.kept - written.removed,
        waiting=written.waiting,
    )


async def apply_on_demand(conn: Connection, supplier_id: int, services: Sequence[RemoteService]) -> None:
    """Take over services that were read for one device on one network; ``conn`` is inside a transaction.

    They keep to the supplier's limits like any others. What the ordinary list does not have is marked, so that no
    reading of that list misses it.
    """
    await conn.execute("SELECT 1 FROM suppliers WHERE id = %s FOR NO KEY UPDATE", (supplier_id,))
    cursor = await conn.execute(
        "SELECT remote_id FROM remote_services WHERE supplier_id = %s AND removed_at IS NULL AND NOT on_demand",
        (supplier_id,),
    )
    listed = {row["remote_id"] for row in await cursor.fetchall()}
    await changes_found.stage(conn, _rows(services))
    await changes_found.add_new(conn, supplier_id)
    await changes_found.find(conn, supplier_id, trusted=False)
    await changes_found.write(conn, supplier_id)
    await conn.execute(
        "UPDATE remote_services SET on_demand = true WHERE supplier_id = %s AND remote_id = ANY (%s) AND NOT on_demand",
        (supplier_id, [name for service in services if (name := _text(service.remote_id)) not in listed]),
    )


def _rows(services: Sequence[RemoteService]) -> Iterator[tuple[object, ...]]:
    seen: set[str] = set()
    for service in services:
        remote_id = _text(service.remote_id)
        if remote_id in seen:
            continue  # one that a list names twice is what it said first
        seen.add(remote_id)
        yield (
            remote_id,
            _text(service.name),
            _text(service.group),
            service.type.value,
            # A price that no price can be is as good as none.
            service.cost if service.cost is not None and 0 <= service.cost <= MAX_AMOUNT else None,
            service.currency,
            _text(service.time),
            service.opens,
            service.closes,
            service.zone,
            _text(service.info),
            service.takes_serial,
            service.takes_quantity,
            _count(service.min_quantity),
            _count(service.max_quantity),
            orjson.dumps([_clean(asdict(field)) for field in service.fields]).decode(),
        )


def _text(value: str) -> str:
    # What Postgres does not keep: NUL, and halves of surrogate pairs.
    return value if value.isascii() and "\x00" not in value else _mended(value)


def _mended(value: str) -> str:
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def _count(value: int | None) -> int | None:
    return None if value is None else max(min(value, _MAX_COUNT), -_MAX_COUNT)
