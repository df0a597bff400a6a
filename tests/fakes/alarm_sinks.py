"""What alarms are delivered to over HTTP: a Telegram Bot API and a server for webhooks, which keep what comes."""

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

BOT_TOKEN = "123456:their-bot-token"
WEBHOOK_SECRET = "a webhook secret of tests"


@dataclass
class TelegramFake:
    """The one method of the Bot API that we use, as its documentation describes it."""

    chats: frozenset[str] = frozenset({"-100200300"})
    sent: list[dict[str, Any]] = field(default_factory=list)
    retry_after: int = 0
    """Answer 429 with this many seconds, as the Bot API does when there is too much."""

    def app(self) -> Starlette:
        """Return the server."""
        return Starlette(routes=[Route("/bot{token}/sendMessage", self._send, methods=["POST"])])

    async def _send(self, request: Request) -> Response:
        if request.path_params["token"] != BOT_TOKEN:
            return _error(401, "Unauthorized")
        body = json.loads(await request.body())
        if self.retry_after:
            return _error(429, "Too Many Requests", parameters={"retry_after": self.retry_after})
        if body["chat_id"] not in self.chats:
            return _error(400, "Bad Request: chat not found")
        if not 1 <= len(body["text"]) <= 4096:
            return _error(400, "Bad Request: message is too long")
        self.sent.append(body)
        return JSONResponse({"ok": True, "result": {"message_id": len(self.sent)}})


def _error(code: int, description: str, **more: object) -> Response:
    return JSONResponse({"ok": False, "error_code": code, "description": description, **more}, code)


@dataclass
class WebhookSink:
    """A receiver that verifies as ours is documented to be verified, and turns down what it cannot."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    forged: int = 0
    status: int = 200
    asked: int = 0
    hold: asyncio.Event | None = None
    """If set, replies wait for it."""

    def app(self) -> Starlette:
        """Return the server."""
        return Starlette(routes=[Route("/alarms", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        self.asked += 1
        body = await request.body()
        signed = request.headers["x-trunkline-timestamp"].encode() + b"." + body
        expected = "sha256=" + hmac.new(WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(request.headers["x-trunkline-signature"], expected):
            self.forged += 1
            return Response(status_code=401)
        if self.hold is not None:
            await self.hold.wait()
        if self.status != 200:
            return Response(status_code=self.status)
        content = json.loads(body)
        assert content["id"] == request.headers["x-trunkline-message"]
        self.sent.append(content)
        return Response()
