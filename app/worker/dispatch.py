"""Sends due attempts to their supplier: claimed and committed first, recorded in one transaction afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from app.alarms.service import Alarming, AlarmKind, about_supplier, raise_all
from app.connectors.base import Connector, Placed, PlaceRequest
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear, Unsupported
from app.db import Connection, Database
from app.orders import policy
from app.orders.attempts import ClaimedAttempt, Postponed, Write, note_duplicate, postpone, record
from app.orders.policy import PlaceOutcome
from app.suppliers import circuits
from app.suppliers.devices import CHOICE_FIELDS, choices_elsewhere
from app.suppliers.service import SupplierAccount, keep_exchanges, route_facts
from app.worker.alarming import after_placing
from app.worker.persistence import persistently
from app.worker.requests import requests_for
from app.worker.results import with_file

log = structlog.get_logger()


def in_calls(claims: Sequence[ClaimedAttempt], batch: int) -> list[Sequence[ClaimedAttempt]]:
    """Divide claims into calls of at most ``batch``; one with a file goes alone, as no supplier takes files in bulk."""
    plain = [claim for claim in claims if claim.file_id is None]
    calls: list[Sequence[ClaimedAttempt]] = [plain[start : start + batch] for start in range(0, len(plain), batch)]
    return calls + [[claim] for claim in claims if claim.file_id is not None]


@dataclass(frozen=True, slots=True)
class Sender:
    """One supplier as a worker sends to it."""

    db: Database
    account: SupplierAccount
    connector: Connector[Any]
    lease_by: str

    async def put_aside(self, claims: Sequence[ClaimedAttempt]) -> None:
        """Move claimed attempts that may not be sent now to their next route, or let them wait."""
        async with self.db.transaction() as conn:
            routes = await route_facts(conn, {(claim.service_id, claim.currency) for claim in claims})
            steps = [policy.aside(claim, routes[claim.service_id, claim.currency]) for claim in claims]
            waiting = [step for step in steps if isinstance(step, Postponed)]
            moving = [step for step in steps if isinstance(step, Write)]
            await postpone(conn, waiting, lease_by=self.lease_by)
            await record(conn, moving, lease_by=self.lease_by, actor="worker")
        for claim in claims:
            log.info("attempt set aside", attempt_id=claim.attempt_id, order_id=claim.order_id, why=claim.blocked)

    async def send_in_turn(self, calls: Sequence[Sequence[ClaimedAttempt]]) -> None:
        """Make several calls, one after another; one whose outcome cannot be recorded keeps no other from being made.

        The lease of that one ends by itself, and it becomes unclear.
        """
        for claims in calls:
            try:
                await self.send(claims)
            except Exception:
                # Whatever it was: the other calls are claimed, and would become unclear without having been made.
                log.exception("a call's outcome could not be recorded", supplier_id=self.account.id)

    async def send(self, claims: Sequence[ClaimedAttempt]) -> None:
        """Place one call's worth of attempts, all in state sending, and record how each ended."""
        with self.connector.http.recording() as exchanges:
            outcomes = await self._place(claims)

        async def write() -> set[int]:
            async with self.db.transaction() as conn:
                # The last exchange is the order itself; what came before it, a log-in perhaps, is linked beside it.
                ids = [claim.attempt_id for claim in claims] if len(exchanges) > 1 else []
                exchange = await keep_exchanges(conn, self.account.id, "place", exchanges, attempts=ids)
                writes = await self._decide(conn, claims, outcomes, exchange)
                written = await record(conn, writes, lease_by=self.lease_by, actor="worker")
                alarms = after_placing(self.account, outcomes.values())
                alarms += await self._duplicates(conn, writes, outcomes)
                alarms += await self._circuits(conn, claims, outcomes)
                await raise_all(conn, alarms)
                return written

        written = await persistently(write)
        for claim in claims:
            outcome = outcomes[claim.attempt_id]
            log.info(
                "attempt sent",
                attempt_id=claim.attempt_id,
                order_id=claim.order_id,
                supplier_id=self.account.id,
                outcome=type(outcome).__name__,
                recorded=claim.attempt_id in written,
            )

    async def _decide(
        self,
        conn: Connection,
        claims: Sequence[ClaimedAttempt],
        outcomes: Mapping[int, PlaceOutcome],
        exchange: int | None,
    ) -> list[Write]:
        await self._pause(conn, claims, outcomes)
        undecided = [claim for claim in claims if policy.needs_route(outcomes[claim.attempt_id])]
        routes = await route_facts(conn, {(claim.service_id, claim.currency) for claim in undecided})
        writes = []
        for claim in claims:
            outcome = outcomes[claim.attempt_id]
            known = routes.get((claim.service_id, claim.currency), ())
            write = policy.after_place(
                claim, outcome, known, place_exchange=exchange, can_force=self.connector.can_force
            )
            report = outcome.report if isinstance(outcome, Placed) else None
            writes.append(await with_file(conn, write, report))
        return writes

    async def _pause(
        self, conn: Connection, claims: Sequence[ClaimedAttempt], outcomes: Mapping[int, PlaceOutcome]
    ) -> None:
        """Open the circuits that the outcomes call for, before routes are chosen: the next order avoids them."""
        for claim in claims:
            wanted = policy.pause_after(outcomes[claim.attempt_id])
            if wanted is None:
                continue
            if wanted.target == "supplier":
                await circuits.open_supplier(conn, self.account.id, seconds=wanted.seconds, reason=wanted.reason)
            else:
                await circuits.open_remote_service(
                    conn, claim.remote_service_id, seconds=wanted.seconds, reason=wanted.reason
                )

    async def _duplicates(
        self, conn: Connection, writes: Sequence[Write], outcomes: Mapping[int, PlaceOutcome]
    ) -> list[Alarming]:
        """Hint at the unclear attempts that a duplicate speaks of; return the alarms for those a person decides."""
        kind = AlarmKind.DUPLICATE_AT_SUPPLIER
        for attempt_id, outcome in outcomes.items():
            if isinstance(outcome, Refused) and outcome.reason is RefusalReason.DUPLICATE:
                await note_duplicate(conn, attempt_id, f"They have an order for this device: {outcome.text}"[:500])
        return [
            Alarming(kind, about_supplier(self.account.id), f"{self.account.name}: {write.hold}")
            for write in writes
            if write.hold is not None and write.refusal == RefusalReason.DUPLICATE
        ]

    async def _circuits(
        self, conn: Connection, claims: Sequence[ClaimedAttempt], outcomes: Mapping[int, PlaceOutcome]
    ) -> list[Alarming]:
        """Count doubts, and close what an answer closes; return the alarms.

        After the attempts were written: an attempt's lock is taken before its supplier's by all.
        """
        unclear = {c.remote_service_id for c in claims if isinstance(outcomes[c.attempt_id], Unclear)}
        if unclear:
            reason = "nobody knows how the last calls ended"
            if await circuits.doubt(conn, self.account.id, unclear, reason=reason):
                text = f"{self.account.name} is left alone for a while: {reason}."
                return [Alarming(AlarmKind.SUPPLIER_DOWN, about_supplier(self.account.id), text)]
            return []
        works = {c.remote_service_id for c in claims if policy.shows_it_works(outcomes[c.attempt_id])}
        if works and any(claim.shaky for claim in claims):
            await circuits.answered(conn, self.account.id, works)
        return []

    async def _place(self, claims: Sequence[ClaimedAttempt]) -> dict[int, PlaceOutcome]:
        """Make the one call; every claim has an outcome, and doubt is ``Unclear``."""
        outcomes: dict[int, PlaceOutcome] = {**await self._strangers(claims)}
        sent = [claim for claim in claims if claim.attempt_id not in outcomes]
        return {**outcomes, **await self._call(sent)} if sent else outcomes

    async def _strangers(self, claims: Sequence[ClaimedAttempt]) -> dict[int, Refused]:
        """Return what is not to be sent here: a choice by another supplier's id would buy something else here."""
        choosing = [claim for claim in claims if any(name.strip().lower() in CHOICE_FIELDS for name in claim.fields)]
        if not choosing:
            return {}
        async with self.db.pool.connection() as conn:
            elsewhere = await choices_elsewhere(conn, self.account.id, {claim.service_id for claim in choosing})
        no = Refused(RefusalReason.OTHER, "What was chosen cannot be ordered at the moment.")
        return {
            claim.attempt_id: no for claim in choosing if elsewhere.get(claim.service_id, set()) & claim.fields.keys()
        }

    async def _call(self, claims: Sequence[ClaimedAttempt]) -> dict[int, PlaceOutcome]:
        requests = await requests_for(self.db, claims)
        if len(claims) == 1:
            return {claims[0].attempt_id: await self._place_one(requests[0])}
        try:
            answers = await self.connector.place_many(requests)
        except (NotSent, Refused, Unclear, Unsupported) as error:
            return dict.fromkeys((claim.attempt_id for claim in claims), error)
        except Exception as error:
            log.exception("the connector broke", supplier_id=self.account.id)
            return dict.fromkeys((claim.attempt_id for claim in claims), _bug(error))
        missing = Unclear("The supplier's bulk answer does not mention this order.")
        return {claim.attempt_id: answers.get(str(claim.attempt_id), missing) for claim in claims}

    async def _place_one(self, request: PlaceRequest) -> PlaceOutcome:
        try:
            placed: Placed = await self.connector.place(request)
        except (NotSent, Refused, Unclear) as error:
            return error
        except Exception as error:
            log.exception("the connector broke", supplier_id=self.account.id, attempt_id=request.reference)
            return _bug(error)
        return placed


def _bug(error: Exception) -> Unclear:
    return Unclear(f"The connector broke ({type(error).__name__}); the order may have been sent.")
