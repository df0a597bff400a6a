"""What XiaomiToolkit's two doors have in common: its inputs. And the log-in of its REST door.

"Obtain a token via the login endpoint, then include it in all subsequent requests", ``Authorization: Bearer …``.
"Previous tokens for the same device name are automatically revoked": so two connectors that share a device name would
log each other out, and one that made up a new name each time would leave tokens behind for ever. Each instance takes
one of a hundred names; when two meet, each renews its token once and goes on.
"""

import asyncio
import secrets
from collections.abc import Container, Mapping
from typing import Any

from app.connectors._dhru_reply import clean, text_of
from app.connectors._reply import Reply
from app.connectors.base import RemoteField
from app.connectors.errors import ConnectorError, NotSent, RefusalReason, Refused, Unclear
from app.connectors.http import SupplierHttp

DEVICE_NAMES = 100
LOG_IN_SECONDS = 20.0
"""A log-in has nothing to work out, and place() waits for it."""

LOG_IN_REFUSALS: Mapping[int, RefusalReason] = {
    # 401 "Invalid credentials."
    401: RefusalReason.BAD_CREDENTIALS,
    # 403 "Your account has been suspended. Please contact the administrator."
    403: RefusalReason.BLOCKED,
    # 422 for what is no e-mail address.
    422: RefusalReason.BAD_CREDENTIALS,
    # "POST /auth/login: 10 requests, 1 minute"
    429: RefusalReason.THROTTLED,
}

PRODUCT_CODE = RemoteField("product_code", required=True, description="Product code, e.g. charoite or begonia")
CPU_ID = RemoteField(
    "cpu_id", required=True, description="CPU identifier (HWID), at most 34 characters", pattern="^.{1,34}$"
)


def second_imei(name: str) -> RemoteField:
    """The optional IMEI of the second slot, which the two doors spell differently."""
    description = "IMEI of the second slot, if there is one; it begins with 86"
    return RemoteField(name, description=description, pattern="^86[0-9]{13}$")


def read(reply: Reply) -> Mapping[str, Any]:
    """Return the envelope ``{success, data, message, errors?, meta?}``; ``Unclear`` if the reply is no object."""
    value = reply.json()
    if not isinstance(value, Mapping):
        raise Unclear(f"the reply is not in the supplier's format (HTTP {reply.status})")
    return value


def says_no(status: int, body: Mapping[str, Any]) -> str:
    """Return their sentence if this is a no in their format, ``{"success": false, "message": "…"}``, else "".

    What stands before their application (the token's check, the rate limiter) may leave ``success`` out, as Laravel
    does by itself.
    """
    bare = status in {401, 429} and "success" not in body
    return clean(text_of(body.get("message"))) if status >= 400 and (bare or body.get("success") is False) else ""


class Session:
    """Sends requests with a token, which it gets by one log-in at a time and renews once when they revoked it."""

    def __init__(self, http: SupplierHttp, root: str, email: str, password: str) -> None:
        """``root`` ends in ``/api/v1``."""
        self._http = http
        self._root = root
        self._credentials = {
            "email": email,
            "password": password,
            "device_name": f"trunkline-{secrets.randbelow(DEVICE_NAMES)}",
        }
        self._lock = asyncio.Lock()
        self._token = ""
        self._ended = 0  # log-ins that came to an end, well or not
        self._failure: ConnectorError | None = None

    async def send(
        self, method: str, path: str, *, buys: bool = False, json: object = None, answers: Container[int] = ()
    ) -> Reply:
        """Send one request with a living token; ``path`` follows ``/api/v1``.

        A 401 in their format is answered by the check of the token, before anything behind it has run: "Missing or
        invalid authentication token". It proves that nothing was bought, so even a buying request is sent once more
        with a new token, and of the two at most the second can buy. For a buying request a failed log-in is
        ``NotSent``, because the request itself did not leave.
        """
        token = await self._get(stale="", buys=buys)
        reply = await self._send(method, path, token, buys=buys, json=json, answers=answers)
        if reply.status != 401 or not says_no(reply.status, read(reply)):
            return reply
        token = await self._get(stale=token, buys=buys)
        return await self._send(method, path, token, buys=buys, json=json, answers=answers)

    async def _send(
        self, method: str, path: str, token: str, *, buys: bool, json: object, answers: Container[int]
    ) -> Reply:
        # Without Accept, Laravel answers errors with pages and redirects.
        headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
        return await self._http.send(
            method, f"{self._root}{path}", buys=buys, json=json, headers=headers, answers=answers
        )

    async def _get(self, *, stale: str, buys: bool) -> str:
        try:
            return await self._newer_than(stale)
        except Unclear as error:
            if buys:
                raise NotSent(f"no log-in, so nothing was ordered: {error.text}") from None
            raise

    async def _newer_than(self, stale: str) -> str:
        """A token that is not ``stale``; whoever waited for a log-in that failed shares its failure."""
        seen = self._ended
        async with self._lock:
            if self._token != stale:
                return self._token
            if self._failure is not None and self._ended != seen:
                raise self._failure
            self._failure = None
            try:
                self._token = await self._log_in()
            except ConnectorError as error:
                self._failure = error
                raise
            finally:
                self._ended += 1
            return self._token

    async def _log_in(self) -> str:
        reply = await self._http.send(
            "POST",
            f"{self._root}/auth/login",
            buys=False,
            json=self._credentials,
            headers={"Accept": "application/json"},
            read_seconds=LOG_IN_SECONDS,
            private=True,
        )
        body = read(reply)
        data = body.get("data")
        token = data.get("token") if isinstance(data, Mapping) and body.get("success") is True else None
        if reply.status == 200 and isinstance(token, str) and token.isascii() and token.isprintable() and token:
            self._http.hide(token)
            return token
        text = says_no(reply.status, body)
        if text and reply.status in LOG_IN_REFUSALS:
            raise Refused(LOG_IN_REFUSALS[reply.status], text)
        raise Unclear(f"the log-in brought no token (HTTP {reply.status})")
