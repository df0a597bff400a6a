"""What staff ask of a supplier about one placed attempt: to cancel it, or to end the waiting.

Only the supplier's answer changes anything.
"""

from typing import Literal

from app.connectors.base import Report
from app.connectors.errors import ConnectorError
from app.db import Database
from app.errors import Conflict, NotFound
from app.orders import policy
from app.orders.attempts import ClaimedPoll, Write, record
from app.orders.states import AttemptState
from app.sealing import Sealer
from app.suppliers.contact import SupplierFailed, reached
from app.suppliers.service import keep_exchanges

Wish = Literal["cancel", "hurry"]

_PLACED = """
SELECT a.id AS attempt_id, a.order_id, o.service_id, a.number, a.route_id, a.remote_id, a.polls,
       extract(epoch FROM now() - a.placed_at)::double precision AS age_seconds, a.state, a.supplier_id, a.lease_by
FROM attempts a JOIN orders o ON o.id = a.order_id WHERE a.id = %s
"""


async def ask_supplier(db: Database, sealer: Sealer, attempt_id: int, wish: Wish, *, staff_id: int) -> Report:
    """Ask for a placed attempt and record what the answer proves; return the supplier's report.

    Cancelled there: the order is rejected and refunded, because they said so. Anything else leaves it to the poller.
    Raises NotFound, Conflict if the attempt is not placed, SupplierFailed with the supplier's or the connector's words.
    """
    async with db.pool.connection() as conn:
        row = await (await conn.execute(_PLACED, (attempt_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such attempt.")
    supplier_id = row.pop("supplier_id")
    row.pop("lease_by")
    if row.pop("state") != AttemptState.PLACED:
        raise Conflict("Only an attempt that a supplier has can be asked for.")
    poll = ClaimedPoll(**row)
    async with reached(db, sealer, supplier_id) as connector:
        with connector.http.recording() as exchanges:
            try:
                report = await (connector.cancel if wish == "cancel" else connector.hurry)(poll.remote_id)
            except ConnectorError as error:
                raise SupplierFailed(f"The supplier did not {wish} it: {error.text}") from error
    async with db.transaction() as conn:
        exchange = await keep_exchanges(conn, supplier_id, wish, exchanges)
        step = policy.after_report(poll, report, report_exchange=exchange)
        if isinstance(step, Write):
            # A poller may hold the row at this moment; whoever writes first has the supplier's word.
            held = await (
                await conn.execute("SELECT lease_by FROM attempts WHERE id = %s FOR UPDATE", (attempt_id,))
            ).fetchone()
            await record(conn, [step], lease_by=held["lease_by"] if held else None, actor=f"staff {staff_id}")
    return report
