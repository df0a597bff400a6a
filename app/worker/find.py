"""Looks for unclear attempts where the supplier can tell: found ones go on, provably absent ones move on.

A supplier's own list may lag behind, so its silence counts as proof only some time after the order was sent. Where the
supplier cannot tell, our balance there may, if staff said that it does. The rest waits for a person, or for as long as
its route says.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from app.clock import now
from app.connectors.base import Connector, Placed
from app.connectors.errors import ConnectorError, Unsupported
from app.db import Connection, Database
from app.orders import policy
from app.orders.attempts import ClaimedAttempt, Postponed, Write, postpone, record
from app.suppliers.evidence import Verdict, balance_evidence
from app.suppliers.service import SupplierAccount, keep_exchanges, route_facts
from app.worker.persistence import persistently
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
                rest = self._again(claim) if self.account.balance_is_proof else NEVER_SECONDS
                found, problem = None, Postponed(claim.attempt_id, rest)
            except ConnectorError as error:
                found, problem = None, Postponed(claim.attempt_id, self._again(claim), error.text)
            except Exception as error:
                log.exception("the connector broke", supplier_id=self.account.id, attempt_id=claim.attempt_id)
                found, problem = None, Postponed(claim.attempt_id, self._again(claim), f"broke: {type(error).__name__}")
        if problem is None and found is None and not self._long_ago(claim):
            problem = Postponed(claim.attempt_id, self._again(claim), "not there yet")

        async def write() -> bool:
            async with self.db.transaction() as conn:
                step = await self._step(conn, claim, found, problem)
                ids = [claim.attempt_id]
                exchange = await keep_exchanges(conn, self.account.id, "find", exchanges, attempts=ids)
                if isinstance(step, Postponed):
                    await postpone(conn, [step], lease_by=self.lease_by)
                    return False
                await record(conn, [replace(step, report_exchange=exchange)], lease_by=self.lease_by, actor="worker")
                return True

        cleared = await persistently(write)
        log.info(
            "looked for a lost order",
            attempt_id=claim.attempt_id,
            order_id=claim.order_id,
            found=bool(found),
            cleared=cleared,
        )

    async def _step(
        self, conn: Connection, claim: ClaimedAttempt, found: Placed | None, problem: Postponed | None
    ) -> Write | Postponed:
        """Decide by what was seen, or else by what other evidence there is."""
        if found is not None:
            return policy.found(claim, found)
        key = (claim.service_id, claim.currency)
        routes = (await route_facts(conn, [key]))[key]
        if problem is None:
            return policy.not_there(claim, policy.NOT_TAKEN, routes)
        if self.account.balance_is_proof:
            evidence = await balance_evidence(conn, claim.attempt_id)
            if evidence.verdict is Verdict.NOT_CHARGED:
                return policy.not_there(claim, f"{policy.NOT_TAKEN} {evidence.reason}", routes)
            problem = replace(problem, note=" ".join(filter(None, [problem.note, evidence.reason])))
        if self._patience_left(claim) == 0:
            without = policy.without_it(claim, routes)
            if without is not None:
                return without
        return replace(problem, due=min(problem.due, self._patience_left(claim) or problem.due))

    @staticmethod
    def _patience_left(claim: ClaimedAttempt) -> float | None:
        """Seconds until the route says that the order goes on without this attempt; 0 by now, None if never."""
        if claim.next_after_unclear_hours is None or claim.sent_at is None:
            return None
        age = (now() - claim.sent_at).total_seconds()
        return max(0.0, claim.next_after_unclear_hours * 3600 - age)

    @staticmethod
    def _again(claim: ClaimedAttempt) -> float:
        age = (now() - claim.sent_at).total_seconds() if claim.sent_at else 0.0
        return max(AGAIN_SECONDS, age / PATIENCE)

    @staticmethod
    def _long_ago(claim: ClaimedAttempt) -> bool:
        return claim.sent_at is not None and now() - claim.sent_at > PROOF_AFTER
