"""The DHRU door as one route: reads a request, has its action answered, and always replies in DHRU's form."""

import asyncio
import traceback

import structlog
from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from app.addresses import client_ip
from app.api.dhru import replies
from app.api.dhru.actions import ACTIONS
from app.api.dhru.body import ClientGone, Pairs, read_body, read_values
from app.api.dhru.call import LARGE, Call
from app.api.dhru.callers import Callers
from app.api.dhru.door import Door
from app.api.dhru.envelope import Envelope, read_envelope
from app.api.dhru.paths import match_path
from app.api.dhru.render import CONTENT_TYPES, Format, render
from app.api.dhru.replies import Refusal, Reply, Uncertain
from app.api.dhru.service_list import ServiceLists

log = structlog.get_logger()


def dhru_routes(door: Door) -> list[BaseRoute]:
    """Return the routes of the DHRU door; they answer their own paths only, whatever the method, and never redirect."""
    return [DhruRoute(door)]


class DhruRoute(BaseRoute):
    """Matches every path of the door and answers what comes."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._callers = Callers(door)
        self._lists = ServiceLists(door.db)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether this is a request for the door."""
        if scope["type"] == "http" and match_path(_path(scope)) is not None:
            return Match.FULL, {"endpoint": self.handle}
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: object) -> URLPath:
        """Return no path: nothing in the program builds links to the door."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: HTTP 200 in DHRU's form, or an empty 503 for a status that cannot be told now."""
        path_dialect = match_path(_path(scope))
        answering = _Answering(self._door, self._callers, self._lists, "8.2" if path_dialect == "8.2" else None)
        try:
            body = await answering.answer(scope, receive)
        except ClientGone:
            return
        await _send(send, 503 if body is None else 200, answering, body or b"")


class _Answering:
    """The answering of one request, with what is known of it at each moment: a fault may come at any."""

    def __init__(self, door: Door, callers: Callers, lists: ServiceLists, path_dialect: str | None) -> None:
        self._door = door
        self._callers = callers
        self._lists = lists
        self._path_dialect = path_dialect
        self.dialect = path_dialect or "6.1"
        self.form: Format = "JSON"
        self._action_name = ""
        self._is_status = False
        self._customer_id: int | None = None

    async def answer(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the reply; None where silence is the right answer. Raises ClientGone and nothing else."""
        try:
            reply = await self._reply(scope, receive)
        except ClientGone:
            raise
        except Refusal as refusal:
            silent = refusal.passing and self._is_status
            reply = replies.error(refusal)
        except Exception as error:  # noqa: BLE001  no client knows what to do with a 500 page
            self._log_fault(error)
            silent = self._is_status
            reply = replies.error(replies.maintenance())
        else:
            silent = False
        if isinstance(reply, bytes):
            return reply
        if "ERROR" in reply:
            self._log_refused(reply)
        if silent:
            return None
        return render({**reply, "apiversion": self.dialect}, self.form)

    async def _reply(self, scope: Scope, receive: Receive) -> Reply | bytes:
        headers = dict(scope["headers"])
        if scope["method"] not in ("GET", "POST"):
            raise replies.Malformed("Only GET and POST are answered.")
        body = await read_body(headers, receive, self._door.max_body_bytes)
        username = headers.get(b"x-username", b"").decode("latin-1")
        content_type = headers.get(b"content-type", b"")
        if len(body) <= LARGE:
            envelope = _open(body, content_type, scope["query_string"], username)
        else:
            envelope = await asyncio.to_thread(_open, body, content_type, scope["query_string"], username)
        self.form = envelope.form
        return await self._act(envelope, client_ip(scope))

    async def _act(self, envelope: Envelope, ip: str | None) -> Reply | bytes:
        action = ACTIONS.get(envelope.action)
        if action is not None:
            self._action_name, self._is_status = action.name, action.is_status
        scope = action.scope if action is not None else None
        identity = await self._callers.admit(envelope, ip, scope)
        self._customer_id = identity.customer_id
        self.dialect = self._path_dialect or identity.dialect
        call = Call(self._door, self._callers, self._lists, envelope, ip, scope, identity, self.dialect)
        if action is None:
            await call.confirm()
            raise replies.unknown_action()
        if not action.checks_key:
            await call.confirm()
        try:
            return await action.answer(call)
        except Uncertain:
            # The key cannot be confirmed while the database is away, and that must not turn doubt into a plain no.
            raise
        except Refusal:
            if not call.confirmed:
                await call.confirm()
            raise

    def _log_refused(self, reply: Reply) -> None:
        log.info(
            "dhru call refused",
            action=self._action_name,
            customer_id=self._customer_id,
            answer=reply["ERROR"][0]["MESSAGE"],
        )

    def _log_fault(self, error: Exception) -> None:
        # Where it happened, but not the error's text, which may quote what the client sent.
        frames = traceback.extract_tb(error.__traceback__)
        log.error(
            "dhru call failed",
            action=self._action_name,
            customer_id=self._customer_id,
            error=type(error).__name__,
            sqlstate=getattr(error, "sqlstate", None),
            where=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-6:]],
        )


def _open(body: bytes, content_type: bytes, query: bytes, header_username: str) -> Envelope:
    pairs: Pairs = read_values(body, content_type, query)
    return read_envelope(pairs, header_username)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


async def _send(send: Send, status: int, answering: _Answering, body: bytes) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", CONTENT_TYPES[answering.form]),
                (b"content-length", b"%d" % len(body)),
                (b"x-powered-by", b"DHRU-FUSION"),
                (b"dhru-fusion-api-version", answering.dialect.encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
