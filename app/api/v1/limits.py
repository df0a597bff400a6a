"""Tells every answer how much of its key's limit is left: ``RateLimit-Limit``, ``-Remaining`` and ``-Reset``.

These three are what most clients understand; ``RateLimit-Reset`` is in seconds from now, as in the drafts of the IETF
that have them.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.redis import Standing


class LimitHeaders:
    """The middleware that does it, for calls that were counted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Shared with what is called from here on, which may have a scope of its own.
        state = scope.setdefault("state", {})

        async def tell(message: Message) -> None:
            standing: Standing | None = state.get("standing")
            if message["type"] == "http.response.start" and standing is not None:
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Limit"] = str(standing.limit)
                headers["RateLimit-Remaining"] = str(standing.remaining)
                headers["RateLimit-Reset"] = str(standing.seconds)
            await send(message)

        await self._app(scope, receive, tell)
