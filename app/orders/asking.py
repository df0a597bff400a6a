"""What staff ask of a supplier about one placed attempt: to cancel it, or to end the waiting.

Only the supplier's answer changes anything; what was delivered before is only compared with what they say now. That it
was asked, by whom and with what answer is kept as evidence, also when there was none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.connectors.base import Report, ReportStatus
from app.connectors.errors import ConnectorError
from app.connectors.http import Exchange
from app.db import Connection, Database
from app.errors import Conflict
from app.orders.attempts import Write, clean, record
from app.orders.placed import HeldAttempt, held_attempt
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
            call = connector.cancel if wish == "cancel" else connector.hurry
            try:
                report: Report | ConnectorError = await call(attempt.poll.remote_id)
            except ConnectorError as error:
                report = error
    asked = Asked(attempt, "asked", f"{wish}: ", f"staff {staff_id}")
    if isinstance(report, ConnectorError):
        await _failed(db, asked, wish, exchanges, report.text)
        raise SupplierFailed(f"The supplier did not {wish} it: {report.text}") from report
    async with db.transaction() as conn:
        exchange = await keep_exchanges(conn, attempt.supplier_id, wish, exchanges, attempts=[attempt_id])
        await _tell(conn, asked, f"{report.status}: {report.text}")
        # A poller may hold the row at this moment; whoever writes first has the supplier's word.
        held = await held_attempt(conn, attempt_id, lock=True)
        step = await report_of(conn, held.poll, report, report_exchange=exchange)
        if isinstance(step, Write):
            await record(conn, [step], lease_by=held.lease_by, actor=f"staff {staff_id}")
    return report


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked what about an attempt; ``before`` stands before the answer in the event of this ``kind``."""

    attempt: HeldAttempt
    kind: str
    before: str
    actor: str


async def _tell(conn: Connection, asked: Asked, answer: str) -> None:
    await conn.execute(
        "INSERT INTO order_events (order_id, attempt_id, kind, actor, detail) VALUES (%s, %s, %s, %s, %s)",
        (
            asked.attempt.poll.order_id,
            asked.attempt.poll.attempt_id,
            asked.kind,
            asked.actor,
            clean(f"{asked.before}{answer}"[:1000]),
        ),
    )


async def _failed(db: Database, asked: Asked, call: str, exchanges: Sequence[Exchange], text: str) -> None:
    """Keep that the supplier was asked and gave no answer that says anything."""
    async with db.transaction() as conn:
        attempts = [asked.attempt.poll.attempt_id]
        await keep_exchanges(conn, asked.attempt.supplier_id, call, exchanges, attempts=attempts)
        await _tell(conn, asked, f"no answer: {text}")


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
                reports: Sequence[Report] | ConnectorError = await connector.check([attempt.poll.remote_id])
            except ConnectorError as error:
                reports = error
    asked = Asked(attempt, "recheck", "", f"staff {staff_id}")
    if isinstance(reports, ConnectorError):
        await _failed(db, asked, "recheck", exchanges, reports.text)
        raise SupplierFailed(f"The supplier does not say: {reports.text}") from reports
    report = next((one for one in reports if one.remote_id == attempt.poll.remote_id), None)
    if report is None:
        await _failed(db, asked, "recheck", exchanges, "they do not mention it")
        raise SupplierFailed("The supplier does not mention this order.")
    async with db.transaction() as conn:
        exchange = await keep_exchanges(conn, attempt.supplier_id, "recheck", exchanges, attempts=[attempt_id])
        held = await held_attempt(conn, attempt_id, lock=True)
        if held.state == AttemptState.PLACED:
            step = await report_of(conn, held.poll, report, report_exchange=exchange)
            if isinstance(step, Write):
                await record(conn, [step], lease_by=held.lease_by, actor=f"staff {staff_id}")
        closed_with = _CLOSED_WITH.get(AttemptState(held.state))
        await _tell(conn, asked, f"{report.status}: {report.text}")
        cursor = await conn.execute(
            "SELECT COALESCE(result, '') AS result FROM orders WHERE id = %s", (held.poll.order_id,)
        )
        row = await cursor.fetchone()
    differs = closed_with is not None and (
        report.status is not closed_with
        or (closed_with is ReportStatus.DONE and row is not None and report.text.strip() != row["result"].strip())
    )
    return Recheck(report, differs)


_CLOSED_WITH = {AttemptState.DONE: ReportStatus.DONE, AttemptState.FAILED: ReportStatus.FAILED}
