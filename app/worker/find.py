"""Looks for unclear attempts where the supplier can tell: found ones go on, provably absent ones move on.

A supplier's own list may lag behind, so its silence counts as proof only some time after the order was sent.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from app.clock import now
from app.connectors.base import Connector, Placed
from app.connectors.errors import ConnectorError, Unsupported
from app.db import Database
from app.orders import policy
from app.orders.attempts import ClaimedAttempt, Postponed, postpone, record
from app.suppliers.service import SupplierAccount, keep_exchanges, route_facts
from app.worker.requests import requests_for

log = structlog.get_logger()

PROOF_AFTER = timedelta(minutes=10)
AGAIN_SECONDS = 120.0
PATIENCE = 5
"""Asked again after a fifth of the time since it was sent: looking may cost the supplier many calls."""
NEVER_SECONDS = 86_400.0
"""A supplier that cannot tell today may be able to tomorrow, with another release of its connector."""


@dataclass(frozen=True, slots=True)
class Finder:
    """One supplier as a worker looks for lost orders there."""

    db: Database
    account: SupplierAccount
    connector: Connector[Any]
    lease_by: str

    async def find(self, claim: ClaimedAttempt) -> None:
        """Look for one unclear attempt and record what that proved."""
        [request] = await requests_for(self.db, [claim])
        with self.connector.http.recording() as exchanges:
            try:
                found: Placed | None = await self.connector.find(request)
                problem: Postponed | None = None
            except Unsupported:
                found, problem = None, Postponed(claim.attempt_id, NEVER_SECONDS)
            except ConnectorError as error:
                found, problem = None, Postponed(claim.attempt_id, self._again(claim), error.text)
            except Exception as error:
                log.exception("the connector broke", supplier_id=self.account.id, attempt_id=claim.attempt_id)
                found, problem = None, Postponed(claim.attempt_id, self._again(claim), f"broke: {type(error).__name__}")
        if problem is None and found is None and not self._long_ago(claim):
            problem = Postponed(claim.attempt_id, self._again(claim), "not there yet")
        async with self.db.transaction() as conn:
            if problem is not None:
                await postpone(conn, [problem], lease_by=self.lease_by)
                return
            exchange = await keep_exchanges(conn, self.account.id, "find", exchanges)
            if found is not None:
                write = policy.found(claim, found, report_exchange=exchange)
            else:
                key = (claim.service_id, claim.currency)
                write = policy.not_there(claim, policy.NOT_TAKEN, (await route_facts(conn, [key]))[key])
            await record(conn, [write], lease_by=self.lease_by, actor="worker")
        log.info("looked for a lost order", attempt_id=claim.attempt_id, order_id=claim.order_id, found=bool(found))

    @staticmethod
    def _again(claim: ClaimedAttempt) -> float:
        age = (now() - claim.sent_at).total_seconds() if claim.sent_at else 0.0
        return max(AGAIN_SECONDS, age / PATIENCE)

    @staticmethod
    def _long_ago(claim: ClaimedAttempt) -> bool:
        return claim.sent_at is not None and now() - claim.sent_at > PROOF_AFTER
