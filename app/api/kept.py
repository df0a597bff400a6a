"""Keeps what takes long to make, such as rendered lists, the most recently used up to a number of bytes."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")

MAX_BYTES = 64 * 1024 * 1024


class Kept(Generic[KeyT, ValueT]):
    """What was made, by what it was made of; ``size`` says how many bytes one takes."""

    def __init__(self, size: Callable[[ValueT], int], *, max_bytes: int = MAX_BYTES) -> None:
        self._size = size
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[KeyT, ValueT] = OrderedDict()
        self._making: dict[KeyT, asyncio.Task[ValueT]] = {}

    async def get(self, key: KeyT, make: Callable[[], Awaitable[ValueT]]) -> ValueT:
        """Return what is kept under ``key``, else what ``make`` makes; callers that miss it together wait for one."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._make(key, make))
            self._making[key] = task
            task.add_done_callback(lambda _: self._making.pop(key))
        return await asyncio.shield(task)

    async def _make(self, key: KeyT, make: Callable[[], Awaitable[ValueT]]) -> ValueT:
        made = await make()
        self._kept[key] = made
        self._bytes += self._size(made)
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            self._bytes -= self._size(self._kept.popitem(last=False)[1])
        return made
