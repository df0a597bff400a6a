"""What the side jobs are built from, and how one is queued once however often it is asked for."""

from dataclasses import dataclass
from typing import Any

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued

from app.db import Database
from app.redis import Limiter
from app.sealing import Sealer
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Jobs:
    """The engine that the tasks are registered with, and what they work on; ``limiter`` counts with the order path."""

    app: procrastinate.App
    db: Database
    sealer: Sealer
    settings: Settings
    limiter: Limiter


async def defer_once(task: Any, lock: str, **arguments: Any) -> None:
    """Queue ``task`` unless one with this ``lock`` waits already; two with one lock never run at once."""
    try:
        await task.configure(queueing_lock=lock, lock=lock).defer_async(**arguments)
    except AlreadyEnqueued:
        return
