"""Placing orders and telling what became of them: one set-based statement each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import orjson
import psycopg
from psycopg.rows import DictRow, tuple_row
from psycopg_pool import PoolTimeout

from app.customers.once import Once
from app.db import Connection
from app.errors import Unauthenticated
from app.orders.wishes import Wish

OutcomeKind = Literal["placed", "repeated", "duplicate", "no_credit", "not_sold", "unavailable"]


class StaleCatalog(Exception):  # noqa: N818
    """The wishes were checked against a catalogue that is no longer the newest; check again and place again.

    Nothing was placed."""


class AnsweredBefore(Exception):  # noqa: N818
    """The key of the call has an answer already; recall it. Nothing was placed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one wish.

    placed, repeated     ``order_id`` is the customer's; repeated: of the identical order a moment ago, nothing charged
    duplicate            another order for this device is open under ``order_id``
    no_credit            the balance and credit limit do not cover it
    not_sold             no such service for this customer
    unavailable          no supplier could fulfil it now without a loss
    """

    kind: OutcomeKind
    order_id: int | None


PLACE = "SELECT n, outcome, order_id FROM place_orders(%s, %s::inet, %s, make_interval(secs => %s), %s, %s::json)"


async def place(
    conn: Connection,
    wishes: Sequence[Wish],
    *,
    key_id: int,
    ip: str | None,
    catalog_version: int,
    source: str,
    window_seconds: int,
) -> list[Outcome]:
    """Place the wishes in their order, each for itself, charged and committed when this returns.

    ``conn`` is in autocommit. Raises StaleCatalog, and Unauthenticated if the key is no longer valid here, may not
    create orders or buys nothing real; then nothing was placed.
    """
    cursor = await conn.execute(PLACE, (key_id, ip, catalog_version, window_seconds, source, _rows(wishes)))
    return _outcomes(await cursor.fetchall())


PLACE_ONCE = """
SELECT n, outcome, order_id
FROM place_orders_once(%s, %s::inet, %s, make_interval(secs => %s), %s, %s::json, %s, %s, %s::jsonb)
"""


async def place_once(
    conn: Connection,
    wishes: Sequence[Wish],
    *,
    key_id: int,
    ip: str | None,
    catalog_version: int,
    source: str,
    window_seconds: int,
    call: Once,
    refused: object,
) -> list[Outcome]:
    """Place as ``place`` does, if the call's key was not answered before; with the orders, the answer is kept.

    ``refused`` is kept beside what becomes of the wishes: ``{"refused": …, "outcomes": [{"kind", "order_id"}]}``. An
    answer without any order is not kept. Raises also AnsweredBefore, when nothing was placed now.
    """
    cursor = await conn.execute(
        PLACE_ONCE,
        (
            key_id,
            ip,
            catalog_version,
            window_seconds,
            source,
            _rows(wishes),
            call.key,
            call.request,
            orjson.dumps(refused).decode(),
        ),
    )
    return _outcomes(await cursor.fetchall())


def _rows(wishes: Sequence[Wish]) -> str:
    return orjson.dumps(
        [
            {
                "n": n,
                "service": wish.service_id,
                "device": wish.device,
                "quantity": wish.quantity,
                "fields": wish.fields,
                "fingerprint": wish.fingerprint,
                "reference": wish.reference,
                "file": wish.file_id,
                "callback": wish.callback_url,
            }
            for n, wish in enumerate(wishes, start=1)
        ]
    ).decode()


def _outcomes(rows: Sequence[DictRow]) -> list[Outcome]:
    if rows[0]["n"] == 0:
        match rows[0]["outcome"]:
            case "stale":
                raise StaleCatalog
            case "answered":
                raise AnsweredBefore
        raise Unauthenticated("The key is no longer valid.")
    return [Outcome(cast("OutcomeKind", row["outcome"]), row["order_id"]) for row in rows]


def rolled_back(error: Exception) -> bool:
    """Say whether the server itself told that the statement failed, rather than vanished in the midst of it."""
    if isinstance(error, PoolTimeout):
        return True
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return state is not None and not state.startswith(("08", "57P"))


class OrderStatus(NamedTuple):
    """An order as its customer may see it. ``text`` is the result when completed, the reason when rejected; ``file`` is
    the name of the file that came with the result, None if there is none."""

    id: int
    state: str
    device: str
    text: str
    file: str | None


STATUS = """
SELECT o.id, o.state, o.device, COALESCE(CASE o.state WHEN 'completed' THEN o.result
       WHEN 'rejected' THEN o.reason END, '') AS text,
       CASE WHEN o.state = 'completed' AND o.result_file_id IS NOT NULL
            THEN (SELECT f.name FROM files f WHERE f.id = o.result_file_id) END AS file
FROM usable_key(%s, %s::inet, 'orders.read') k LEFT JOIN orders o ON o.customer_id = k.customer_id AND o.id = ANY (%s)
"""


async def status(conn: Connection, ids: Sequence[int], *, key_id: int, ip: str | None) -> dict[int, OrderStatus]:
    """Return those of ``ids`` that are the caller's, by id, in one statement.

    Raises Unauthenticated if the key is no longer valid here or may not read orders.
    """
    known = [number for number in ids if 0 < number < 2**63]
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(STATUS, (key_id, ip, known))
        rows = await cursor.fetchall()
    if not rows:
        raise Unauthenticated("The key is no longer valid.")
    return {row[0]: OrderStatus._make(row) for row in rows if row[0] is not None}
