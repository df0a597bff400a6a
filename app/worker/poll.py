"""Asks suppliers after placed attempts; only their own word that one is done or failed ends it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from app.alarms.service import raise_all
from app.connectors.base import Connector, Report
from app.connectors.errors import ConnectorError, RefusalReason, Refused, Unsupported
from app.connectors.http import Exchange
from app.db import Connection, Database
from app.orders import policy
from app.orders.attempts import ClaimedPoll, Postponed, Write, postpone, record
from app.orders.reports import report_of
from app.suppliers.service import SupplierAccount, keep_exchanges
from app.worker.alarming import after_checking
from app.worker.persistence import persistently
from app.worker.results import with_file

log = structlog.get_logger()

THROTTLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Asker:
    """One supplier as a worker asks it."""

    db: Database
    account: SupplierAccount
    connector: Connector[Any]
    lease_by: str

    async def ask(self, polls: Sequence[ClaimedPoll]) -> None:
        """Make one status call for these attempts and record what it proved; an error changes no order."""
        wanted_back = [poll for poll in polls if poll.cancel]
        for poll in wanted_back:
            await self._cancel(poll)
        asked = [poll for poll in polls if not poll.cancel]
        if not asked:
            return
        with self.connector.http.recording() as exchanges:
            reports, error = await self._check([poll.remote_id for poll in asked])
            left_out = [poll.remote_id for poll in asked if poll.late and poll.remote_id not in reports]
            for remote_id in left_out if error is None and len(asked) > 1 else ():
                # Some answer in bulk only for orders they know something of; a late one is worth a question of its own.
                alone, error = await self._check([remote_id])
                reports |= alone
        ended = await persistently(lambda: self._write(asked, reports, error, "check", exchanges))
        trouble = error.text if error else None
        log.info("asked", supplier_id=self.account.id, orders=len(asked), ended=ended, trouble=trouble)

    async def _cancel(self, poll: ClaimedPoll) -> None:
        """Pass the wish to cancel on, once; only a report that says so ends the order, a refusal changes nothing."""
        reports: dict[str, Report] = {}
        trouble: ConnectorError | None = None
        with self.connector.http.recording() as exchanges:
            try:
                reports = {poll.remote_id: await self.connector.cancel(poll.remote_id)}
            except ConnectorError as error:
                trouble = error
            except Exception as error:
                log.exception("the connector broke", supplier_id=self.account.id, attempt_id=poll.attempt_id)
                trouble = ConnectorError(f"The connector broke ({type(error).__name__}).")
        await persistently(lambda: self._write([poll], reports, trouble, "cancel", exchanges))
        log.info(
            "asked to cancel", supplier_id=self.account.id, order_id=poll.order_id, trouble=trouble and trouble.text
        )

    async def _write(
        self,
        polls: Sequence[ClaimedPoll],
        reports: Mapping[str, Report],
        error: ConnectorError | None,
        call: str,
        exchanges: Sequence[Exchange],
    ) -> int:
        """Write what the reports prove; return how many attempts ended."""
        by_attempt = {poll.attempt_id: reports.get(poll.remote_id) for poll in polls}
        async with self.db.transaction() as conn:
            steps = [await self._step(conn, poll, reports.get(poll.remote_id), error) for poll in polls]
            writes = [step for step in steps if isinstance(step, Write)]
            put_off = [step for step in steps if isinstance(step, Postponed)]
            if writes or call == "cancel" or any(step.note for step in put_off):
                noted = {step.attempt for step in put_off if step.note or call == "cancel"}
                exchange = await keep_exchanges(conn, self.account.id, call, exchanges, attempts=sorted(noted))
                writes = [
                    await with_file(conn, replace(write, report_exchange=exchange), by_attempt.get(write.attempt))
                    for write in writes
                ]
            await record(conn, writes, lease_by=self.lease_by, actor="worker")
            await postpone(conn, put_off, lease_by=self.lease_by)
            await raise_all(conn, after_checking(self.account, reports.values(), error))
        return len(writes)

    async def _step(
        self, conn: Connection, poll: ClaimedPoll, report: Report | None, error: ConnectorError | None
    ) -> Write | Postponed:
        if report is not None:
            step = await report_of(conn, poll, report)
            if isinstance(step, Postponed) and poll.cancel:
                return replace(step, note=step.note or "asked to cancel, not cancelled yet", cancel_asked=True)
            return step
        throttled = isinstance(error, Refused) and error.reason is RefusalReason.THROTTLED
        due = policy.next_poll_seconds(poll.age_seconds, late=poll.late)
        note = error.text if error else None
        if poll.cancel and isinstance(error, Refused | Unsupported) and not throttled:
            # Their last word on it; a person may ask again, or wait for the result like everybody.
            return Postponed(poll.attempt_id, due, f"Not cancelled: {note}", cancel_asked=True)
        return Postponed(poll.attempt_id, max(due, THROTTLED_SECONDS if throttled else 0), note)

    async def _check(self, remote_ids: list[str]) -> tuple[dict[str, Report], ConnectorError | None]:
        """Return the reports by their id, or what went wrong."""
        try:
            reports = await self.connector.check(remote_ids)
        except Unsupported:
            return {}, None
        except ConnectorError as error:
            return {}, error
        except Exception as error:
            log.exception("the connector broke", supplier_id=self.account.id)
            return {}, ConnectorError(f"The connector broke ({type(error).__name__}).")
        return {report.remote_id: report for report in reports}, None
