"""Limits: shared through Redis where ``REDIS_URL`` is set, else counted in this process.

Redis may vanish without losing anything: while it does not answer, each process counts alone, so the limit is looser
by the number of processes and never tighter.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

ANSWER_SECONDS = 0.25
"""How long one question to Redis may take before this process counts alone."""
AWAY_SECONDS = 5.0
"""How long Redis is left alone after it did not answer, so that a hanging one does not slow every request."""

_WINDOW = 60.0

_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local free = tonumber(ARGV[1]) - redis.call('ZCARD', KEYS[1])
local taken = 0
for place = 3, #ARGV do
    if taken >= free then break end
    redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[place])
    taken = taken + 1
end
if taken > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return taken
"""
"""Takes as many of the slots ARGV[3..] as ARGV[1] leaves free, each for ARGV[2] milliseconds; by Redis's own clock."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands: how many of its ``limit`` requests a minute it has left, and in how many seconds there will be
    more."""

    limit: int
    remaining: int
    seconds: int


class Limiter:
    """Says whether one more request may pass, by a sliding window of one minute, and lends slots for calls."""

    def __init__(self, redis_url: str | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``redis_url`` as in ``REDIS_URL``; nothing is connected before the first ``hit``.

        ``clock`` tells the seconds by which this process counts alone.
        """
        self._clock = clock
        self._alone = _Window()
        self._away_until = 0.0
        self._away = False
        self._pool = _pool(redis_url) if redis_url else None
        self._shared = _shared(redis_url, self._pool) if redis_url and self._pool else None
        self._redis = Redis(connection_pool=self._pool) if self._pool else None

    async def hit(self, key: str, per_minute: int) -> bool:
        """Count one request of ``key``; False, uncounted, if its ``per_minute`` are used up. 0 means no limit."""
        if per_minute == 0:
            return True
        now = self._clock()
        if self._shared is None or now < self._away_until:
            return self._alone.hit(key, per_minute, now)
        try:
            allowed = await self._shared.hit(RateLimitItemPerMinute(per_minute), key)
        except (RedisError, OSError) as error:
            self._missed(error)
            return self._alone.hit(key, per_minute, now)
        self._answered()
        return allowed

    async def look(self, key: str, per_minute: int) -> Standing:
        """Tell how ``key`` stands, counting nothing; ``per_minute`` is above zero."""
        now = self._clock()
        if self._shared is None or now < self._away_until:
            return self._alone.look(key, per_minute, now)
        try:
            found = await self._shared.get_window_stats(RateLimitItemPerMinute(per_minute), key)
        except (RedisError, OSError) as error:
            self._missed(error)
            return self._alone.look(key, per_minute, now)
        self._answered()
        return Standing(per_minute, found.remaining, max(1, math.ceil(found.reset_time - time.time())))

    async def take(self, key: str, limit: int, slots: Sequence[str], *, seconds: float) -> Sequence[str]:
        """Take those of the named ``slots`` of ``key`` that ``limit`` leaves free, among all processes; return them.

        A slot that nobody gives back is free again after ``seconds``. Without Redis all of them are granted: the
        caller counts its own.
        """
        if self._redis is None or not slots or self._clock() < self._away_until:
            return slots
        try:
            taken = await self._redis.eval(_TAKE, 1, f"trunkline:slots:{key}", limit, int(seconds * 1000), *slots)
        except (RedisError, OSError) as error:
            self._missed(error)
            return slots
        self._answered()
        return slots[: int(taken)]

    async def give(self, key: str, slots: Sequence[str]) -> None:
        """Give slots back; one that was not taken, or whose time is over, does no harm."""
        if self._redis is None or self._clock() < self._away_until:
            return
        try:
            await self._redis.zrem(f"trunkline:slots:{key}", *slots)
        except (RedisError, OSError) as error:
            self._missed(error)

    def _missed(self, error: Exception) -> None:
        self._away_until = self._clock() + AWAY_SECONDS
        if not self._away:
            self._away = True
            log.warning("redis does not answer; this process counts alone", error=type(error).__name__)

    def _answered(self) -> None:
        if self._away:
            self._away = False
            log.info("redis answers again; limits are shared")

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if self._pool is not None:
            await self._pool.disconnect()


class _Window:
    """Counts of this minute and the one before, which weighs less the longer it is over.

    The memory storage of ``limits`` does the same, but walks all keys in a task of its own on every hit: 25 µs with 100
    keys and 200 µs with 2,000, against 1 µs here.
    """

    def __init__(self) -> None:
        self._minute = 0
        self._current: dict[str, int] = {}
        self._previous: dict[str, int] = {}

    def hit(self, key: str, per_minute: int, now: float) -> bool:
        minute, into = divmod(now, _WINDOW)
        if minute != self._minute:
            self._previous = self._current if minute == self._minute + 1 else {}
            self._current = {}
            self._minute = int(minute)
        used = self._current.get(key, 0)
        if self._previous.get(key, 0) * (1 - into / _WINDOW) + used + 1 > per_minute:
            return False
        self._current[key] = used + 1
        return True

    def look(self, key: str, per_minute: int, now: float) -> Standing:
        minute, into = divmod(now, _WINDOW)
        used, before = 0, 0
        if minute == self._minute:
            used, before = self._current.get(key, 0), self._previous.get(key, 0)
        elif minute == self._minute + 1:
            before = self._current.get(key, 0)
        left = per_minute - used - before * (1 - into / _WINDOW)
        wait = _WINDOW - into
        if used >= per_minute:
            # In the next minute, what was used of this one weighs ever less.
            wait += _WINDOW * (used - per_minute + 1) / used
        elif left < 1:
            wait = _WINDOW * (1 - left) / before
        return Standing(per_minute, max(0, math.floor(left)), max(1, math.ceil(wait)))


def _pool(url: str) -> ConnectionPool:
    return ConnectionPool.from_url(
        url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        # One try more serves a connection that died in the pool; waiting between tries would hold up the request.
        retry=Retry(NoBackoff(), 1),
    )


def _shared(url: str, pool: ConnectionPool) -> SlidingWindowCounterRateLimiter:
    address = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    options: dict[str, Any] = {"connection_pool": pool}  # the stub knows plain values only
    storage = RedisStorage(f"async+{address}", implementation="redispy", key_prefix="trunkline", **options)
    return SlidingWindowCounterRateLimiter(storage)
