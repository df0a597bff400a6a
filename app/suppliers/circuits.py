"""Circuit breakers of suppliers and remote services: opened by machines, tried with one order, closed by an answer.

=========  =====================================================================================
closed     ``paused_until`` is NULL: orders are sent
open       it lies ahead: nothing is sent
half open  it is past: one order is sent to try; an answer closes the circuit, trouble opens it again
=========  =====================================================================================

Each opening in a row lasts twice as long as the one before, up to ten minutes. The rows are in Postgres, so all workers
see the same circuit; ``claim_attempts`` in the migrations sends the one canary.
"""

from collections.abc import Collection

from app.alarms.service import AlarmKind, about_supplier, end_alarms
from app.db import Connection
from app.errors import NotFound

SUPPLIER_DOUBTS = 5
"""So many calls in a row that nobody knows the end of, and the supplier is left alone."""
REMOTE_DOUBTS = 3
"""The same of one remote service."""
DOUBT_SECONDS = 120
REACHED = (AlarmKind.SUPPLIER_DOWN, AlarmKind.SUPPLIER_BLOCKED, AlarmKind.SUPPLIER_CREDENTIALS)
"""The alarms that are over when a supplier answers us."""
PAUSES = (*REACHED, AlarmKind.LOW_BALANCE)
"""The alarms that go with a supplier being left alone."""


async def open_supplier(conn: Connection, supplier_id: int, *, seconds: int, reason: str) -> None:
    """Leave a supplier alone for ``seconds``, longer if it is not the first time in a row.

    A circuit that stays open for longer already is left as it is.
    """
    await conn.execute(
        "UPDATE suppliers SET trips = trips + (COALESCE(paused_until, '-infinity') <= clock_timestamp())::integer,"
        " doubts = 0, pause_reason = %(reason)s, paused_until = circuit_until(trips, %(seconds)s) WHERE id = %(id)s"
        " AND COALESCE(paused_until, '-infinity') < clock_timestamp() + make_interval(secs => %(seconds)s)",
        {"id": supplier_id, "seconds": seconds, "reason": reason},
    )


async def open_remote_service(conn: Connection, remote_service_id: int, *, seconds: int, reason: str) -> None:
    """Leave a remote service alone, in the same way."""
    await conn.execute(
        "UPDATE remote_services"
        " SET trips = trips + (COALESCE(paused_until, '-infinity') <= clock_timestamp())::integer,"
        " doubts = 0, pause_reason = %(reason)s, paused_until = circuit_until(trips, %(seconds)s) WHERE id = %(id)s"
        " AND COALESCE(paused_until, '-infinity') < clock_timestamp() + make_interval(secs => %(seconds)s)",
        {"id": remote_service_id, "seconds": seconds, "reason": reason},
    )


async def doubt(conn: Connection, supplier_id: int, remote_service_ids: Collection[int], *, reason: str) -> bool:
    """Count a call that nobody knows the end of; return whether the supplier is left alone because of it.

    A canary that ends in doubt opens its circuit again at once.
    """
    await conn.execute(
        "UPDATE remote_services SET doubts = doubts + 1 WHERE id = ANY (%s)", (sorted(remote_service_ids),)
    )
    cursor = await conn.execute(
        "SELECT id FROM remote_services WHERE id = ANY (%s) AND (doubts >= %s OR paused_until <= clock_timestamp())"
        " ORDER BY id",
        (sorted(remote_service_ids), REMOTE_DOUBTS),
    )
    for row in await cursor.fetchall():
        await open_remote_service(conn, row["id"], seconds=DOUBT_SECONDS, reason=reason)
    cursor = await conn.execute(
        "UPDATE suppliers SET doubts = doubts + 1 WHERE id = %s"
        " RETURNING doubts >= %s OR paused_until <= clock_timestamp() AS enough",
        (supplier_id, SUPPLIER_DOUBTS),
    )
    counted = await cursor.fetchone()
    if counted is None or not counted["enough"]:
        return False
    await open_supplier(conn, supplier_id, seconds=DOUBT_SECONDS, reason=reason)
    return True


async def answered(conn: Connection, supplier_id: int, remote_service_ids: Collection[int]) -> None:
    """Forget doubts, because the supplier answered for these remote services; a half-open circuit closes.

    One that is open stays so: the answer is to something sent before. ``conn`` is inside a transaction.
    """
    await conn.execute(
        "UPDATE remote_services SET doubts = 0, trips = 0, paused_until = NULL, pause_reason = NULL"
        " WHERE id IN (SELECT id FROM remote_services WHERE id = ANY (%s)"
        "  AND (doubts > 0 OR paused_until IS NOT NULL) ORDER BY id FOR NO KEY UPDATE)"
        " AND COALESCE(paused_until, '-infinity') <= clock_timestamp()",
        (sorted(remote_service_ids),),
    )
    cursor = await conn.execute(
        "UPDATE suppliers s SET doubts = 0, trips = 0, paused_until = NULL, pause_reason = NULL"
        " FROM (SELECT id, paused_until FROM suppliers WHERE id = %s FOR NO KEY UPDATE) old"
        " WHERE s.id = old.id AND (s.doubts > 0 OR s.paused_until IS NOT NULL)"
        " AND COALESCE(s.paused_until, '-infinity') <= clock_timestamp() RETURNING old.paused_until",
        (supplier_id,),
    )
    closed = await cursor.fetchone()
    if closed is not None and closed["paused_until"] is not None:
        await end_alarms(conn, PAUSES, about_supplier(supplier_id))


async def close_supplier(conn: Connection, supplier_id: int) -> None:
    """Let everything through to a supplier and its remote services again, as staff say; what waits comes due."""
    await conn.execute(
        "UPDATE remote_services SET doubts = 0, trips = 0, paused_until = NULL, pause_reason = NULL"
        " WHERE supplier_id = %s AND (doubts > 0 OR paused_until IS NOT NULL)",
        (supplier_id,),
    )
    await conn.execute(
        "UPDATE suppliers SET doubts = 0, trips = 0, paused_until = NULL, pause_reason = NULL WHERE id = %s",
        (supplier_id,),
    )
    await conn.execute("SELECT wake_attempts(%s)", (supplier_id,))
    await end_alarms(conn, PAUSES, about_supplier(supplier_id))


async def close_remote_service(conn: Connection, supplier_id: int, remote_service_id: int) -> None:
    """Let everything through to one remote service of a supplier again, because staff say so; NotFound if none."""
    cursor = await conn.execute(
        "UPDATE remote_services SET doubts = 0, trips = 0, paused_until = NULL, pause_reason = NULL"
        " WHERE id = %s AND supplier_id = %s",
        (remote_service_id, supplier_id),
    )
    if not cursor.rowcount:
        raise NotFound("There is no such remote service.")
    await conn.execute("SELECT wake_attempts(%s)", (supplier_id,))


async def close_remote_service_of(conn: Connection, route_id: int) -> None:
    """Let everything through to the remote service of a route again, because staff say so."""
    await conn.execute(
        "UPDATE remote_services SET doubts = 0, trips = 0, paused_until = NULL, pause_reason = NULL"
        " WHERE id = (SELECT remote_service_id FROM routes WHERE id = %s)",
        (route_id,),
    )
