"""Delivers messages: at least once each, in no promised order, again at growing intervals, in nobody's way.

Any number of processes may claim. A delivery is leased before it is sent and its outcome written down right after, so
it is sent twice only if the process dies in between, or if the receiver took it and its answer was lost; both carry the
same ``webhook-id``. Each endpoint has a few calls under way at most, and one while it fails: a receiver that is slow or
dead keeps no other waiting. No transaction is open during a call.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import orjson
import structlog

from app.alarms.service import AlarmKind, about_customer, raise_alarm
from app.clock import now
from app.db import Connection, Database
from app.sealing import Sealer
from app.webhooks.destinations import Rules
from app.webhooks.endpoints import move_held
from app.webhooks.events import data_of, publish
from app.webhooks.kinds import EventKind
from app.webhooks.network import SEND_SECONDS, Answer, NotDelivered, Resolve, post, resolve
from app.webhooks.pause_mails import wish_for_mail
from app.webhooks.signing import signed_headers

BACKOFF = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=12),
    timedelta(hours=24),
)
"""How long after a failure a delivery is tried again; after the last one it has failed for good."""
LONGEST_WISH = timedelta(hours=1)
"""A receiver that wants to be left alone for longer is tried after this time all the same."""
PER_ENDPOINT = 4
PATIENCE = 3
"""After so many failures in a row the whole endpoint is left alone for a while, and then tried with one message."""
PAUSED_AFTER = timedelta(days=3)
LEASE_SECONDS = 3 * SEND_SECONDS
USER_AGENT = "Trunkline-Webhooks/1"

_CLAIMS = 0x57454248
"""The advisory lock under which one process at a time claims, so that what an endpoint is given is counted right."""

log = structlog.get_logger()

# Here and below, rows that are held are passed over: an endpoint with a long log that is being removed would keep all
# others waiting.
_FREE_ORPHANS: LiteralString = """
UPDATE webhook_deliveries d
SET state = CASE WHEN e.state = 'paused' THEN 'held' ELSE 'waiting' END, lease_by = NULL, lease_until = NULL,
    error = 'the sender ended'
FROM webhook_endpoints e
WHERE e.id = d.endpoint_id AND d.id IN (
    SELECT id FROM webhook_deliveries WHERE state = 'sending' AND lease_until < clock_timestamp()
    FOR NO KEY UPDATE SKIP LOCKED)
"""

# From endpoint to endpoint by index: what a dead one has waiting is not read.
_CLAIM: LiteralString = """
WITH RECURSIVE lanes AS (
    (SELECT endpoint_id FROM webhook_deliveries WHERE state = 'waiting' ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.endpoint_id FROM webhook_deliveries d
             WHERE d.state = 'waiting' AND d.endpoint_id > l.endpoint_id ORDER BY d.endpoint_id LIMIT 1)
    FROM lanes l WHERE l.endpoint_id IS NOT NULL
), rooms AS (
    SELECT e.id, CASE WHEN e.failures > 0 AND e.url IS NOT NULL THEN 1 ELSE %(per_endpoint)s END
           - (SELECT count(*) FROM webhook_deliveries s WHERE s.endpoint_id = e.id AND s.state = 'sending') AS free
    FROM lanes l JOIN webhook_endpoints e ON e.id = l.endpoint_id
    WHERE COALESCE(e.not_before, '-infinity') <= clock_timestamp()
), due AS (
    SELECT d.id FROM rooms r CROSS JOIN LATERAL (
        SELECT w.id, w.due_at FROM webhook_deliveries w
        WHERE w.endpoint_id = r.id AND w.state = 'waiting' AND w.due_at <= clock_timestamp()
        ORDER BY w.due_at LIMIT GREATEST(r.free, 0) FOR NO KEY UPDATE SKIP LOCKED
    ) d
    ORDER BY d.due_at LIMIT %(limit)s
), taken AS (
    UPDATE webhook_deliveries d
    SET state = 'sending', attempts = attempts + 1, sent_at = clock_timestamp(), lease_by = %(by)s,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
    FROM due WHERE d.id = due.id AND d.state = 'waiting'
    RETURNING d.id, d.event_id, d.endpoint_id, d.url, d.attempts
)
SELECT t.id, t.event_id, t.endpoint_id, COALESCE(t.url, e.url) AS url, t.url IS NOT NULL AS callback, t.attempts,
       v.kind, v.body, v.sandbox, v.created_at, e.sealed,
       CASE WHEN e.overlap_until > now() THEN e.sealed_before END AS sealed_before
FROM taken t JOIN webhook_events v ON v.id = t.event_id JOIN webhook_endpoints e ON e.id = t.endpoint_id
"""

_CLOSE: LiteralString = """
UPDATE webhook_deliveries
SET state = %(state)s, due_at = clock_timestamp() + %(wait)s, status = %(status)s, error = %(error)s, reply = %(reply)s,
    closed_at = CASE WHEN %(state)s IN ('delivered', 'failed') THEN clock_timestamp() END,
    lease_by = NULL, lease_until = NULL
WHERE id = %(id)s AND lease_by = %(by)s AND attempts = %(attempts)s
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process holds the lease of, with all that its message is made of."""

    id: int
    event_id: int
    endpoint_id: int
    url: str
    callback: bool
    attempts: int
    kind: str
    body: dict[str, Any]
    sandbox: bool
    created_at: datetime
    sealed: bytes
    sealed_before: bytes | None


@dataclass(frozen=True, slots=True)
class Sender:
    """One process's way of sending: ``by`` names it in leases, ``resolver`` finds the addresses of names."""

    db: Database
    sealer: Sealer
    rules: Rules
    by: str
    resolver: Resolve = resolve

    async def claim(self, limit: int) -> Sequence[Claimed]:
        """Take the lease of up to ``limit`` deliveries that are due; none while another process claims."""
        async with self.db.transaction() as conn:
            cursor = await conn.execute("SELECT pg_try_advisory_xact_lock(%s) AS mine", (_CLAIMS,))
            row = await cursor.fetchone()
            if row is None or not row["mine"]:
                return []
            await conn.execute(_FREE_ORPHANS)
            cursor = await conn.execute(
                _CLAIM, {"by": self.by, "lease": LEASE_SECONDS, "per_endpoint": PER_ENDPOINT, "limit": limit}
            )
            return [Claimed(**row) for row in await cursor.fetchall()]

    async def send(self, delivery: Claimed) -> bool:
        """Send one delivery and write down what became of it; say whether the receiver took it."""
        try:
            answer = await self._post(delivery)
        except NotDelivered as error:
            await self._failed(delivery, error.text, None)
            return False
        except Exception:
            # An error of ours. Raised, it would leave the delivery to its lease, and be met again every time that ends.
            log.exception("a webhook could not be sent", delivery_id=delivery.id, endpoint_id=delivery.endpoint_id)
            await self._failed(delivery, "it could not be sent", None)
            return False
        if 200 <= answer.status < 300:
            await self._delivered(delivery, answer)
            return True
        await self._failed(delivery, f"HTTP {answer.status}", answer)
        return False

    async def _post(self, delivery: Claimed) -> Answer:
        body = orjson.dumps(
            {
                "type": delivery.kind,
                "timestamp": delivery.created_at.isoformat().replace("+00:00", "Z"),
                "sandbox": delivery.sandbox,
                "data": data_of(delivery.body),
            }
        )
        sealed = [part for part in (delivery.sealed, delivery.sealed_before) if part is not None]
        try:
            keys = [self.sealer.open(part) for part in sealed]
        except ValueError as error:
            raise NotDelivered("the signing secret cannot be read any more; replace it") from error
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            **signed_headers(keys, f"msg_{delivery.event_id}", now(), body.decode()),
        }
        return await post(delivery.url, body, headers, self.rules, resolver=self.resolver)

    async def _delivered(self, delivery: Claimed, answer: Answer) -> None:
        async with self.db.transaction() as conn:
            if not delivery.callback:
                await conn.execute(
                    "UPDATE webhook_endpoints SET failures = 0, failing_since = NULL, not_before = NULL"
                    " WHERE id = %s AND failures > 0",
                    (delivery.endpoint_id,),
                )
            await self._close(conn, delivery, "delivered", answer, error=None)
        log.info("a webhook was taken", delivery_id=delivery.id, endpoint_id=delivery.endpoint_id)

    async def _failed(self, delivery: Claimed, error: str, answer: Answer | None) -> None:
        """Keep what went wrong, and leave the endpoint alone, the longer the more often it failed."""
        state = "waiting" if delivery.attempts <= len(BACKOFF) else "failed"
        wait = BACKOFF[min(delivery.attempts, len(BACKOFF)) - 1] * random.uniform(0.9, 1.1)  # noqa: S311  no secret
        if answer is not None and answer.status in (429, 503) and answer.retry_after is not None:
            wait = max(wait, min(timedelta(seconds=answer.retry_after), LONGEST_WISH))
        log.info("a webhook was not taken", delivery_id=delivery.id, endpoint_id=delivery.endpoint_id, error=error)
        async with self.db.transaction() as conn:
            # The endpoint before its deliveries, as everywhere: nobody waits in a circle.
            cursor = await conn.execute(
                "SELECT state FROM webhook_endpoints WHERE id = %s FOR NO KEY UPDATE", (delivery.endpoint_id,)
            )
            endpoint = await cursor.fetchone()
            if endpoint is None:
                return
            paused = endpoint["state"] == "paused"
            if paused and state == "waiting":
                # By its customer meanwhile, or a person tried whether it works again.
                state = "held"
            if not await self._close(conn, delivery, state, answer, error=error, wait=wait):
                return
            if not paused and not delivery.callback:
                await self._count_failure(conn, delivery.endpoint_id, error, answer)

    async def _count_failure(self, conn: Connection, endpoint_id: int, error: str, answer: Answer | None) -> None:
        cursor = await conn.execute(
            "UPDATE webhook_endpoints SET failures = failures + 1,"
            " failing_since = COALESCE(failing_since, clock_timestamp()) WHERE id = %s"
            " RETURNING failures, customer_id, url, failing_since < clock_timestamp() - %s AS hopeless",
            (endpoint_id, PAUSED_AFTER),
        )
        endpoint = await cursor.fetchone()
        assert endpoint is not None  # noqa: S101  its row is held
        gone = answer is not None and answer.status == 410
        if endpoint["hopeless"] or gone:
            why = "It answered that it is gone (HTTP 410)." if gone else f"It failed for days, last with: {error}"
            await _pause(conn, endpoint_id, endpoint, why)
        elif endpoint["failures"] >= PATIENCE:
            alone = BACKOFF[min(endpoint["failures"] - PATIENCE, 4)]
            await conn.execute(
                "UPDATE webhook_endpoints SET not_before = clock_timestamp() + %s WHERE id = %s", (alone, endpoint_id)
            )

    async def _close(
        self,
        conn: Connection,
        delivery: Claimed,
        state: str,
        answer: Answer | None,
        *,
        error: str | None,
        wait: timedelta = timedelta(),
    ) -> bool:
        """Write the outcome down; False if the lease is another's by now."""
        cursor = await conn.execute(
            _CLOSE,
            {
                "state": state,
                "wait": wait,
                "status": answer.status if answer else None,
                "error": error,
                "reply": answer.excerpt if answer else None,
                "id": delivery.id,
                "by": self.by,
                "attempts": delivery.attempts,
            },
        )
        return await cursor.fetchone() is not None


async def _pause(conn: Connection, endpoint_id: int, endpoint: dict[str, Any], why: str) -> None:
    """Send an endpoint nothing any more, and tell its customer, at their other endpoints and by mail, and staff."""
    await conn.execute(
        "UPDATE webhook_endpoints SET state = 'paused', paused_because = %s, not_before = NULL WHERE id = %s",
        (why, endpoint_id),
    )
    await move_held(conn, endpoint_id, "paused")
    await publish(
        conn,
        endpoint["customer_id"],
        EventKind.ENDPOINT_PAUSED,
        subject=f"endpoint {endpoint_id}",
        body={"id": endpoint_id, "url": endpoint["url"], "reason": why},
    )
    await wish_for_mail(conn, endpoint_id)
    log.warning("a webhook endpoint is paused", endpoint_id=endpoint_id, customer_id=endpoint["customer_id"])
    await raise_alarm(conn, AlarmKind.WEBHOOK_PAUSED, about_customer(endpoint["customer_id"]), why)
