"""Looks callers up, and those who come while a look-up is under way together in the next one.

Many panels read their lists and balances at the same time. Each of them is checked as of a moment after it asked, but
while the database answers one, those behind it gather, and one statement serves them all.
"""

import asyncio
from collections.abc import Sequence

from psycopg import DataError

from app.customers.service import Asker, Identity, identify
from app.db import Database

MOST_TOGETHER = 100


class LookUps:
    """The queue of those who want to be looked up."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: list[tuple[Asker, asyncio.Future[Identity]]] = []
        self._under_way: asyncio.Task[None] | None = None

    async def identify(self, asker: Asker) -> Identity:
        """Return who this is as of now. Raises Unauthenticated, AddressRefused, and what the database raises."""
        answer: asyncio.Future[Identity] = asyncio.get_running_loop().create_future()
        self._waiting.append((asker, answer))
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._serve())
        return await answer

    async def _serve(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
                await self._look_up(together)
        finally:
            self._under_way = None

    async def _look_up(self, together: Sequence[tuple[Asker, asyncio.Future[Identity]]]) -> None:
        answers: Sequence[Identity | Exception]
        try:
            async with self._db.pool.connection() as conn:
                answers = await identify(conn, [asker for asker, _ in together])
        except DataError as error:
            if len(together) > 1:  # what the database does not take from one is nobody else's fault
                for one in together:
                    await self._look_up([one])
                return
            answers = [error]
        except Exception as error:  # noqa: BLE001  it is raised where each of them waits
            answers = [error] * len(together)
        for (_, future), answer in zip(together, answers, strict=True):
            if future.done():
                continue  # the caller is gone
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
