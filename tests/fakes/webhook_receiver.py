"""A customer's receiver of messages, which verifies them with the scheme's own library and keeps what it took."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass
class Receiver:
    """Takes what is signed under the secret of its path, and answers 401 to what is not.

    The answer is ``status`` with ``headers`` and ``body``, once ``hold``, if set, lets it.
    """

    secrets: dict[str, str] = field(default_factory=dict)
    status: int = 200
    body: str = "thank you"
    headers: dict[str, str] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    took: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    asked: int = 0
    at_once: int = 0
    most_at_once: int = 0

    def app(self) -> Starlette:
        """Return the server."""
        return Starlette(routes=[Route("/{path:path}", self._take, methods=["POST", "GET"])])

    async def _take(self, request: Request) -> Response:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            body = await request.body()
            try:
                message = Webhook(self.secrets[request.url.path]).verify(body, dict(request.headers))
            except WebhookVerificationError:
                return Response("forged", 401)
            if self.hold is not None:
                await self.hold.wait()
            self.ids.append(request.headers["webhook-id"])
            self.signatures.append(request.headers["webhook-signature"])
            if 200 <= self.status < 300:
                self.took.append(message)
            return Response(self.body, self.status, self.headers)
        finally:
            self.at_once -= 1
