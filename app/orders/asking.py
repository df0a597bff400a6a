"""What staff ask of a supplier about one placed attempt: to cancel it, or to end the waiting.

Only the supplier's answer changes anything; what was delivered before is only compared with what they say now.
"""

from dataclasses import dataclass
from typing import Literal

from app.connectors.base import Report, ReportStatus
from app.connectors.errors import ConnectorError
from app.db import Database
from app.errors import Conflict
from app.orders.attempts import Write, clean, record
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


@dataclass(frozen=True, slots=True)
class Recheck:
    """What a supplier says of an attempt now; ``differs``: it is not what the order was closed with."""

    report: Report
    differs: bool


async def recheck(db: Database, sealer: Sealer, attempt_id: int, *, staff_id: int) -> Recheck:
    """Ask the supplier once more about an attempt that is with them or was; write down what they said.

    An attempt that is placed goes on as after any question. One that is over stays as it is: to act on a difference,
    staff reverse the order or send it again. Raises NotFound, Conflict if the supplier never had it, SupplierFailed.
    """
    async with db.pool.connection() as conn:
        attempt = await held_attempt(conn, attempt_id)
    if not attempt.poll.remote_id:
        raise Conflict("The supplier gave this attempt no id to ask after.")
    async with reached(db, sealer, attempt.supplier_id) as connector:
        with connector.http.recording() as exchanges:
            try:
                reports = await connector.check([attempt.poll.remote_id])
            except ConnectorError as error:
                raise SupplierFailed(f"The supplier does not say: {error.text}") from error
    report = next((one for one in reports if one.remote_id == attempt.poll.remote_id), None)
    if report is None:
        raise SupplierFailed("The supplier does not mention this order.")
    async with db.transaction() as conn:
        exchange = await keep_exchanges(conn, attempt.supplier_id, "recheck", exchanges)
        held = await held_attempt(conn, attempt_id, lock=True)
        if held.state == AttemptState.PLACED:
            step = await report_of(conn, held.poll, report, report_exchange=exchange)
            if isinstance(step, Write):
                await record(conn, [step], lease_by=held.lease_by, actor=f"staff {staff_id}")
        closed_with = _CLOSED_WITH.get(AttemptState(held.state))
        cursor = await conn.execute(
            "INSERT INTO order_events (order_id, attempt_id, kind, actor, detail)"
            " SELECT o.id, %s, 'recheck', %s, %s FROM orders o WHERE o.id = %s RETURNING"
            " (SELECT COALESCE(result, '') FROM orders WHERE id = order_id) AS result",
            (attempt_id, f"staff {staff_id}", clean(f"{report.status}: {report.text}"[:1000]), held.poll.order_id),
        )
        row = await cursor.fetchone()
    differs = closed_with is not None and (
        report.status is not closed_with
        or (closed_with is ReportStatus.DONE and row is not None and report.text.strip() != row["result"].strip())
    )
    return Recheck(report, differs)


_CLOSED_WITH = {AttemptState.DONE: ReportStatus.DONE, AttemptState.FAILED: ReportStatus.FAILED}
