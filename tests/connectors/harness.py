"""Recordings as data: one JSON file for each kind, each entry a call, the request sent, the reply, what came of it.

    {"name": "what this shows", "config": {...}, "call": "place", "arguments": [...],
     "request": {"method", "url", "body"}, "reply": {"status", "headers", "text" or "json"},
     "returns": ... or "raises": {"word", "reason", "text"}}

``config`` is laid over the file's own; secrets are never in it, the harness fills them in. ``request`` is null for a
call that must send nothing; a call that needs several has ``"exchanges": [{"request", "reply"}, ...]`` instead. A
reply's body is ``text``, ``json`` or ``base64``. Values that equal a dataclass's default are left out of ``returns``,
bytes are base64.

``"standing": [{"path", "reply"}, ...]`` beside ``recordings`` answers a log-in, whenever a call needs one, and is not
recorded. ``"wire": false`` there says that this kind is no machine and never sends anything.
"""

import base64
import binascii
import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx2

from app.connectors import registry
from app.connectors.base import File, PlaceRequest, ServiceType
from app.connectors.errors import ConnectorError, Refused

FOLDER = Path(__file__).parent / "recordings"
MASK = "***"

Json = dict[str, Any]
Answer = Callable[[httpx2.Request], httpx2.Response]


def load(kind: str) -> list[Json]:
    """Return the recordings of ``kind``, each with its whole config."""
    file = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    return [{**entry, "config": {**file["config"], **entry.get("config", {})}} for entry in file["recordings"]]


def has_wire(kind: str) -> bool:
    """Whether this kind talks to anybody at all; what its recordings say of themselves, and are held to."""
    file = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    return bool(file.get("wire", True))


def secret_for(name: str) -> str:
    """The value the harness gives to the secret ``name``."""
    return f"the/secret+{name} of this run"


def standing(kind: str, answer: Answer) -> Answer:
    """``answer`` for everything but the requests that the kind's recordings answer whenever they come."""
    file = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    replies = {one["path"]: one["reply"] for one in file.get("standing", [])}

    def respond(request: httpx2.Request) -> httpx2.Response:
        found = replies.get(request.url.path)
        return _response(found) if found else answer(request)

    return respond


async def replay(kind: str, entry: Mapping[str, Any]) -> Json:
    """Make the recorded call against the recorded replies; return the requests it sent and how it ended."""
    sent: list[httpx2.Request] = []
    replies = [one["reply"] for one in entry["exchanges"]] if "exchanges" in entry else [entry.get("reply", {})]

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        assert len(sent) <= len(replies), "a call is as many requests as its recording has"
        return _response(replies[len(sent) - 1])

    secrets = {name: secret_for(name) for name in registry.secret_names(kind)}
    transport = httpx2.MockTransport(standing(kind, answer))
    connector = registry.build(kind, {**entry["config"], **secrets}, transport=transport)
    arguments = [_argument(entry["call"], argument) for argument in entry.get("arguments", [])]
    try:
        ending = {"returns": plain(await getattr(connector, entry["call"])(*arguments))}
    except ConnectorError as error:
        ending = {"raises": plain(error)}
    shown = [_shown(request, secrets.values()) for request in sent]
    if "exchanges" in entry:
        exchanges = [{"request": one, "reply": reply} for one, reply in zip(shown, replies, strict=False)]
        return {"exchanges": exchanges, **ending}
    return {"request": shown[0] if shown else None, **ending}


def plain(value: object) -> Any:
    """Return what a connector returned or raised as JSON, without defaults."""
    if isinstance(value, ConnectorError):
        reason = {"reason": value.reason.value} if isinstance(value, Refused) else {}
        return {"word": type(value).__name__, **reason, "text": value.text}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(item)
            for field in dataclasses.fields(value)
            if (item := getattr(value, field.name)) != field.default or field.default is dataclasses.MISSING
        }
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def _response(reply: Json) -> httpx2.Response:
    content = base64.b64decode(reply["base64"]) if "base64" in reply else None
    text = reply["text"] if "text" in reply else json.dumps(reply.get("json"))
    return httpx2.Response(
        reply.get("status", 200), headers=reply.get("headers"), content=text.encode() if content is None else content
    )


def request_of(value: Mapping[str, Any]) -> PlaceRequest:
    """Return the order of a recording."""
    sent_at = datetime.fromisoformat(value["sent_at"]) if "sent_at" in value else None
    sent = value.get("file")
    file = File(sent["name"], base64.b64decode(sent["content"])) if sent else None
    return PlaceRequest(**{**value, "type": ServiceType(value["type"]), "sent_at": sent_at, "file": file})


def _argument(call: str, value: Any) -> Any:
    if call in {"place", "find"}:
        return request_of(value)
    return [_argument("place", item) for item in value] if call == "place_many" else value


def _shown(request: httpx2.Request, secrets: Iterable[str]) -> Json:
    """A request as a recording shows it: secrets masked by value, base64 JSON opened."""
    kind = request.headers.get("content-type", "")
    text = request.content.decode()
    body: Any = text
    if kind.startswith("application/x-www-form-urlencoded"):
        body = {name: _opened(value) for name, value in parse_qsl(text, keep_blank_values=True)}
    elif kind.startswith("multipart/form-data"):
        parts = re.findall(r'name="([^"]+)"\r\n\r\n(.*?)\r\n--', text, re.DOTALL)
        body = {"multipart": {name: _opened(value) for name, value in parts}}
    elif kind.startswith("application/json"):
        body = json.loads(text)
    masked = json.dumps({"method": request.method, "url": str(request.url), "body": body})
    for secret in secrets:
        masked = masked.replace(secret, MASK)
    shown: Json = json.loads(masked)
    return shown


def _opened(value: Any) -> Any:
    """``value`` with every base64 JSON object or array in it opened and marked as such."""
    if isinstance(value, dict):
        return {key: _opened(item) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    try:
        inner = json.loads(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return value
    return {"base64": _opened(inner)} if isinstance(inner, dict | list) else value
