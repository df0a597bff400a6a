"""When keys were used, and from where while they learn: gathered in the process and written beside the calls."""

import asyncio
from collections import Counter
from datetime import datetime

import structlog
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout

from app.clock import now
from app.customers.learning import MAX_SEEN
from app.customers.service import Identity
from app.db import Database

EVERY_SECONDS = 10.0

log = structlog.get_logger()

# Rows are locked in one order, so that two processes never wait for each other.
_USED = """
UPDATE api_keys k SET last_used_at = u.at
FROM (SELECT k.id, q.at FROM unnest(%s::bigint[], %s::timestamptz[]) AS q(id, at) JOIN api_keys k ON k.id = q.id
       WHERE k.last_used_at IS NULL OR k.last_used_at < q.at - interval '1 minute'
       ORDER BY k.id FOR NO KEY UPDATE OF k) u
WHERE k.id = u.id
"""
_SEEN = """
INSERT INTO key_addresses AS s (key_id, address, first_seen_at, last_seen_at, uses)
SELECT q.key_id, q.address, q.at, q.at, q.uses
FROM (SELECT u.*, o.key_id IS NOT NULL AS known,
             row_number() OVER (PARTITION BY u.key_id, o.key_id IS NOT NULL ORDER BY u.uses DESC, u.address) AS place
        FROM unnest(%(keys)s::bigint[], %(addresses)s::inet[], %(times)s::timestamptz[], %(uses)s::bigint[])
             AS u(key_id, address, at, uses)
        LEFT JOIN key_addresses o ON o.key_id = u.key_id AND o.address = u.address) q
JOIN api_keys k ON k.id = q.key_id AND k.learning_until > q.at
WHERE q.known OR q.place + (SELECT count(*) FROM key_addresses o WHERE o.key_id = q.key_id) <= %(most)s
ORDER BY q.key_id, q.address
ON CONFLICT (key_id, address) DO UPDATE
SET last_seen_at = GREATEST(s.last_seen_at, excluded.last_seen_at), uses = s.uses + excluded.uses
"""


class KeyUses:
    """Takes note of calls without waiting, and writes them down every few seconds, the last use at most once a minute.

    What a process had not written when it died is lost; nothing but these two facts hangs on it.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._used: dict[int, datetime] = {}
        self._seen: Counter[tuple[int, str]] = Counter()

    def note(self, identity: Identity, ip: str | None) -> None:
        """Note that the key was used now, and from where if it is learning."""
        self._used[identity.key_id] = now()
        if identity.learning and ip is not None:
            self._seen[identity.key_id, ip] += 1

    async def run(self) -> None:
        """Write until cancelled, and what is left then."""
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                await self.write()
        finally:
            await self.write()

    async def write(self) -> None:
        """Write down what was noted; while the database is away it waits for the next time."""
        used, seen = self._used, self._seen
        if not used:
            return
        self._used, self._seen = {}, Counter()
        try:
            async with self._db.pool.connection() as conn:
                await conn.execute(_USED, (list(used), list(used.values())))
                if seen:
                    keys, addresses = (list(column) for column in zip(*seen, strict=True))
                    times = [used[key] for key in keys]
                    values = {"keys": keys, "addresses": addresses, "times": times, "uses": list(seen.values())}
                    await conn.execute(_SEEN, {**values, "most": MAX_SEEN})
        except (DatabaseError, PoolTimeout) as error:
            log.warning("uses of keys were not written", error=type(error).__name__)
            self._used = {**used, **self._used}
            self._seen += seen
