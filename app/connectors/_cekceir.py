"""Cek Ceir's REST API as both of its connectors use it: the calls, their errors, and what an order says.

From their document: every call carries ``Authorization: Bearer <api_key>``; amounts are whole rupiah; an order is
reserved when it is created, and what succeeded of it is captured (``charged_amount``), the rest given back.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from app.connectors._amounts import read_amount
from app.connectors._dhru_reply import MAX_TEXT, StatusOf, clean, text_of
from app.connectors._reply import find_json
from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import RefusalReason, Refused, Unclear
from app.connectors.http import SupplierHttp

CURRENCY = "IDR"

STATUSES: Mapping[str, ReportStatus] = {
    # "pending: The order was accepted and is waiting for completion." "success: All submitted items succeeded."
    # "partial: Some submitted items succeeded and some failed." "failed: The order did not complete successfully."
    "pending": ReportStatus.PENDING,
    "success": ReportStatus.DONE,
    "partial": ReportStatus.DONE,
    "failed": ReportStatus.FAILED,
    # "0 New or pending. 1 Processing. 3 Failed, cancelled, or rejected. 4 Success, completed, or partial."
    "new": ReportStatus.PENDING,
    "processing": ReportStatus.PENDING,
    "cancelled": ReportStatus.FAILED,
    "rejected": ReportStatus.FAILED,
    "completed": ReportStatus.DONE,
}
"""An order's status in lower case; anything else is pending and noted."""

REFUSALS: Mapping[str, RefusalReason] = {
    # Their document shows one error, "Invalid request" with "payload_required"; the rest are the words that such
    # systems use, in English, as machine codes and in the Indonesian of their order messages.
    "payload_required": RefusalReason.BAD_INPUT,
    "whitelist": RefusalReason.BLOCKED,
    "ip address": RefusalReason.BLOCKED,
    "too many": RefusalReason.THROTTLED,
    "rate limit": RefusalReason.THROTTLED,
    "rate_limit": RefusalReason.THROTTLED,
    "insufficient": RefusalReason.NO_FUNDS,
    "saldo tidak": RefusalReason.NO_FUNDS,
    "invalid_api_key": RefusalReason.BAD_CREDENTIALS,
    "invalid api key": RefusalReason.BAD_CREDENTIALS,
    "authentication failed": RefusalReason.BAD_CREDENTIALS,
    "unauthorized": RefusalReason.BAD_CREDENTIALS,
    "duplicate": RefusalReason.DUPLICATE,
    # Outside its opening hours a service is off; it has them in the catalogue, so that nobody has to find out.
    "service_closed": RefusalReason.SERVICE_OFF,
    "service closed": RefusalReason.SERVICE_OFF,
    "operating hours": RefusalReason.SERVICE_OFF,
    "sedang tutup": RefusalReason.SERVICE_OFF,
    "service_not": RefusalReason.SERVICE_OFF,
    "service not": RefusalReason.SERVICE_OFF,
    "service_inactive": RefusalReason.SERVICE_OFF,
}

REFUSING_CODES: Mapping[int, RefusalReason] = {
    # "Expired, disabled, deleted, or malformed keys return 401." "When a key is valid but does not have access to the
    # requested feature, the API returns 403."
    401: RefusalReason.BAD_CREDENTIALS,
    403: RefusalReason.BAD_CREDENTIALS,
    # Not in their document: what these codes mean everywhere.
    400: RefusalReason.BAD_INPUT,
    402: RefusalReason.NO_FUNDS,
    404: RefusalReason.SERVICE_OFF,
    409: RefusalReason.DUPLICATE,
    422: RefusalReason.BAD_INPUT,
    429: RefusalReason.THROTTLED,
}
"""What an HTTP status with a JSON error means if its text says no more; any other status proves nothing."""

_MAX_DEPTH = 20
_WALLS = ("imunify", "cloudflare", "bot-protection", "bot protection")
"""Who answers in JSON in front of their application."""


def root(base_url: str) -> str:
    """Return the URL that every path is put behind, from the site's root or any endpoint their document prints."""
    parts = urlsplit(base_url)
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, re.sub(r"/api(/.*)?$", "", path), "", ""))


class RestApi:
    """Calls the REST API with one key."""

    def __init__(
        self,
        http: SupplierHttp,
        base_url: str,
        key: str,
        classify: Callable[[str], RefusalReason],
        status_of: StatusOf,
    ) -> None:
        """``classify`` says what the text of a refusal means, ``status_of`` what an order's status does."""
        self._http = http
        self._root = root(base_url)
        self._key = key
        self._classify = classify
        self._status_of = status_of

    async def get(self, path: str) -> Any:
        """Read something; raises as ``post`` does."""
        return await self._send("GET", path, buys=False, body=None)

    async def post(self, path: str, body: object) -> Any:
        """Order something: ``Refused`` for an error in their format, ``Unclear`` for what is not in it."""
        return await self._send("POST", path, buys=True, body=body)

    async def order(self, remote_id: str) -> Report:
        """Read an order, ``GET /api/order/{id}``; ``Refused`` with SERVICE_OFF for one they do not know."""
        body = body_of(await self.get(f"/api/order/{quote(remote_id, safe='')}"))
        return report(remote_id, body, self._status_of)

    async def _send(self, method: str, path: str, *, buys: bool, body: object) -> Any:
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "application/json"}
        reply = await self._http.send(method, f"{self._root}{path}", buys=buys, json=body, headers=headers)
        if reply.status == 404 and not buys and find_json(reply.text) is None:
            raise Refused(RefusalReason.SERVICE_OFF, "there is no such page (HTTP 404)")
        value = reply.json()
        text = _error_text(value)
        if is_wall(text):
            # It proves nothing about an order: some walls answer after the application has run.
            raise Unclear(text) if buys else Refused(RefusalReason.BLOCKED, text)
        if reply.status < 300:
            return value
        if not text or reply.status not in REFUSING_CODES:
            raise Unclear(
                f"an answer that is not in their format (HTTP {reply.status}){text and ': '}{text}"[:MAX_TEXT]
            )
        reason = self._classify(text)
        if reply.status in {401, 403} and reason is not RefusalReason.BLOCKED:
            what = "the API key is not valid" if reply.status == 401 else "the API key lacks a permission"
            raise Refused(RefusalReason.BAD_CREDENTIALS, f"{what}: {text}"[:MAX_TEXT])
        raise Refused(REFUSING_CODES[reply.status] if reason is RefusalReason.OTHER else reason, text)


def is_wall(text: str) -> bool:
    """Whether the message of a JSON reply is that of something in front of their application."""
    return any(sign in text.lower() for sign in _WALLS)


def body_of(value: object) -> Mapping[str, Any]:
    """The object in a reply, with or without its ``data`` wrapper; empty if there is none."""
    if isinstance(value, Mapping) and isinstance(value.get("data"), Mapping):
        return dict(value["data"])
    return dict(value) if isinstance(value, Mapping) else {}


def placed(value: object, status_of: StatusOf) -> Placed:
    """What the reply to a creation says; ``Unclear`` without an order id.

    ``{"status": "success", "message": "Pesanan-mu telah berhasil kami proses.", "processed": 1, "processed_success":
    1, "processed_error": 0, "result": {"status": "registered"}, "error_message": null, "order_id": 321,
    "service_code": "cek_imei", "total": 1, "price": 1500, "total_price": 1500, "charged_amount": 1500,
    "refunded_amount": 0, …}``
    """
    body = body_of(value)
    remote_id = order_id(body, "order_id")
    if not remote_id:
        raise Unclear(f"an order without its id: {clean(text_of(body.get('message')), 200) or 'not in their format'}")
    said = report(remote_id, body, status_of)
    if said.status is ReportStatus.PENDING:
        cost = read_amount(body.get("total_price"), CURRENCY)
        return Placed(remote_id, said if said.note else None, cost)
    return Placed(remote_id, said, said.cost)


def report(remote_id: str, body: Mapping[str, Any], status_of: StatusOf) -> Report:
    """What an order's fields say; its ``result`` is the customer's text, their message only where there is none."""
    named = order_id(body, "order_id", "id")
    if named and named != remote_id:
        return pending(remote_id, f"the answer is about another order: {named}")
    word = text_of(body.get("status")).strip().lower()
    status = status_of(word)
    if status is None:
        return pending(remote_id, f"unknown status {word[:40]!r}" if word else "the answer has no status")
    if status is ReportStatus.PENDING:
        return Report(remote_id, status)
    if status is ReportStatus.FAILED:
        reasons = (clean(text_of(body.get(name))) for name in ("error_message", "message"))
        return Report(remote_id, status, next(filter(None, reasons), "failed without a reason"), cost=_charged(body))
    return _done(remote_id, word, body)


def pending(remote_id: str, note: str) -> Report:
    """A report that changes nothing and shows staff why."""
    return Report(remote_id, ReportStatus.PENDING, note=note[:MAX_TEXT])


def order_id(body: Mapping[str, Any], *names: str) -> str:
    """The first order id under one of ``names``, in digits; empty if there is none."""
    found = (text_of(body.get(name)).strip() for name in names)
    return next((text for text in found if re.fullmatch(r"[1-9][0-9]{0,17}", text)), "")


def _done(remote_id: str, word: str, body: Mapping[str, Any]) -> Report:
    """The report on an order that succeeded, all of it or partly, as long as its own numbers agree with that."""
    delivered, total = (_count(body.get(name)) for name in ("processed_success", "total"))
    is_part = delivered is not None and total is not None and delivered < total
    if word == "partial" and not (is_part and delivered):
        return pending(remote_id, "partial, without saying how much of it succeeded")
    if word != "partial" and is_part:
        return pending(remote_id, f"{word}, but only {delivered} of {total} succeeded")
    text = "\n".join(_lines(body.get("result"))).strip() or clean(text_of(body.get("message")))
    if not text:
        return pending(remote_id, f"{word}, but without a result")
    part = delivered if word == "partial" else None
    return Report(remote_id, ReportStatus.DONE, text, cost=_charged(body), delivered=part)


def _charged(body: Mapping[str, Any]) -> int | None:
    return read_amount(body.get("charged_amount"), CURRENCY)


def _error_text(value: object) -> str:
    body = value if isinstance(value, Mapping) else {}
    error = body.get("error")
    inner = error if isinstance(error, Mapping) else {"message": error}
    parts = (one.get(name) for one in (body, inner) for name in ("message", "code", "errors"))
    texts = (clean(text_of(part), 200) for part in parts)
    return ": ".join(dict.fromkeys(text for text in texts if text))[:MAX_TEXT]


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _lines(value: object, depth: int = 0) -> list[str]:
    """A result as lines: "name: value", what is nested indented below it, objects of a list a blank line apart."""
    indent = "  " * depth
    lines: list[str] = []
    if depth > _MAX_DEPTH:
        return lines
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(item, Mapping | list):
                inner = _lines(item, depth + 1)
                lines += [f"{indent}{text_of(str(name))}:", *inner] if inner else []
            elif text := _scalar(item):
                first, *rest = text.splitlines()
                lines += [f"{indent}{text_of(str(name))}: {first}", *(f"{indent}  {line}" for line in rest)]
    elif isinstance(value, list):
        for item in value:
            inner = _lines(item, depth)
            lines += ["", *inner] if lines and isinstance(item, Mapping) else inner
    else:
        lines += [indent + line for line in _scalar(value).splitlines()]
    return lines


def _scalar(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else text_of(value).strip()
