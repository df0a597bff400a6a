"""Asks suppliers after placed attempts; only their own word that one is done or failed ends it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from app.alarms.service import raise_all
from app.connectors.base import Connector, Report
from app.connectors.errors import ConnectorError, RefusalReason, Refused, Unsupported
from app.db import Database
from app.orders import policy
from app.orders.attempts import ClaimedPoll, Postponed, Write, postpone, record
from app.suppliers.service import SupplierAccount, keep_exchanges
from app.worker.alarming import after_checking
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
        with self.connector.http.recording() as exchanges:
            reports, error = await self._check([poll.remote_id for poll in polls])
        steps = [self._step(poll, reports.get(poll.remote_id), error) for poll in polls]
        by_attempt = {poll.attempt_id: reports.get(poll.remote_id) for poll in polls}
        writes = [step for step in steps if isinstance(step, Write)]
        put_off = [step for step in steps if isinstance(step, Postponed)]
        async with self.db.transaction() as conn:
            if writes or any(step.note for step in put_off):
                exchange = await keep_exchanges(conn, self.account.id, "check", exchanges)
                writes = [
                    await with_file(conn, replace(write, report_exchange=exchange), by_attempt.get(write.attempt))
                    for write in writes
                ]
            await record(conn, writes, lease_by=self.lease_by, actor="worker")
            await postpone(conn, put_off, lease_by=self.lease_by)
            await raise_all(conn, after_checking(self.account, reports.values(), error))
        trouble = error.text if error else None
        log.info("asked", supplier_id=self.account.id, orders=len(polls), ended=len(writes), trouble=trouble)

    def _step(self, poll: ClaimedPoll, report: Report | None, error: ConnectorError | None) -> Write | Postponed:
        if report is None:
            throttled = isinstance(error, Refused) and error.reason is RefusalReason.THROTTLED
            due = max(policy.next_poll_seconds(poll.age_seconds), THROTTLED_SECONDS if throttled else 0)
            return Postponed(poll.attempt_id, due, error.text if error else None)
        return policy.after_report(poll, report)

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
