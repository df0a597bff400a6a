"""What staff ask of a supplier about one placed attempt: to cancel it, or to end the waiting.

Only the supplier's answer changes anything.
"""

from typing import Literal

from app.connectors.base import Report
from app.connectors.errors import ConnectorError
from app.db import Database
from app.errors import Conflict
from app.orders.attempts import Write, record
from app.orders.placed import held_attempt
from app.orders.reports import report_of
from app.orders.states import AttemptState
from app.sealing import Sealer
from app.suppliers.contact import SupplierFailed, reached
from app.suppliers.service import keep_exchanges

Wish = Literal["cancel", "hurry"]


async def ask_supplier(db: Database, sealer: Sealer, attempt_id: int, wish: Wish, *, staff_id: int) -> Report:
    """Ask for a placed attempt and record what the answer proves; return the supplier's report.

    Cancelled there: the order is rejected and refunded, because they said so. Anything else leaves it to the poller.
    Raises NotFound, Conflict if the attempt is not placed, SupplierFailed with the supplier's or the connector's words.
    """
    async with db.pool.connection() as conn:
        attempt = await held_attempt(conn, attempt_id)
    if attempt.state != AttemptState.PLACED:
        raise Conflict("Only an attempt that a supplier has can be asked for.")
    async with reached(db, sealer, attempt.supplier_id) as connector:
        with connector.http.recording() as exchanges:
            try:
                report = await (connector.cancel if wish == "cancel" else connector.hurry)(attempt.poll.remote_id)
            except ConnectorError as error:
                raise SupplierFailed(f"The supplier did not {wish} it: {error.text}") from error
    async with db.transaction() as conn:
        exchange = await keep_exchanges(conn, attempt.supplier_id, wish, exchanges)
        # A poller may hold the row at this moment; whoever writes first has the supplier's word.
        held = await held_attempt(conn, attempt_id, lock=True)
        step = await report_of(conn, held.poll, report, report_exchange=exchange)
        if isinstance(step, Write):
            await record(conn, [step], lease_by=held.lease_by, actor=f"staff {staff_id}")
    return report
