"""DHRU Fusion Pro: the reseller API beside the classic one, with JSON, a bearer token and one path for each call.

``{site}/api/reseller/v1/account``, ``/products`` and ``/order``, as the maker's published examples have them; every
reply is ``{"status": "success" or "error", "message", "code", "data"}``, an error also with HTTP 200. What the examples
leave open is taken from resellers' clients; where these differ, a setting chooses.

Nobody proves who calls a ``feedback_url``, so none is given, and orders are asked for.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pydantic import Field, SecretStr

from app.connectors._amounts import read_amount, read_currency
from app.connectors._dhru_reply import MAX_ID, MAX_TEXT, clean, folded, refuse, text_of
from app.connectors._reply import Reply, find_json
from app.connectors.base import (
    Connector,
    ConnectorConfig,
    FieldType,
    Placed,
    PlaceRequest,
    RemoteField,
    RemoteService,
    Report,
    ReportStatus,
    ServiceType,
)
from app.connectors.errors import RefusalReason, Refused, Unclear
from app.connectors.http import SupplierHttp
from app.money import Money

_DEVICE_FIELD = re.compile(r"imei|serial|\bs/?n\b", re.IGNORECASE)
_SERIAL = re.compile(r"serial|\bs/?n\b", re.IGNORECASE)
_DEFAULT_DEVICE_FIELD = "IMEI"
_QUANTITY = "Quantity"

_ABOUT_US = {RefusalReason.BAD_CREDENTIALS, RefusalReason.BLOCKED, RefusalReason.THROTTLED}

_TYPES = {"imei": ServiceType.IMEI, "remote": ServiceType.REMOTE, "file": ServiceType.FILE}
"""Types seen beside these: server, digital, game, gift_card; they are all credits or activations to us."""

_FIELD_TYPES = {
    "textarea": FieldType.TEXTAREA,
    "dropdown": FieldType.DROPDOWN,
    "select": FieldType.DROPDOWN,
    "radio": FieldType.RADIO,
    "checkbox": FieldType.CHECKBOX,
    "date": FieldType.DATE,
    "time": FieldType.TIME,
}


class DhruProConfig(ConnectorConfig):
    """An account at a supplier that runs DHRU Fusion Pro."""

    token: SecretStr = Field(min_length=1, max_length=4000, title="API token")
    lookup: Literal["query", "path"] = Field(
        default="query",
        title="Asking for an order",
        description="order?order_uuid=… as the maker's examples have it, or order/… as one client does.",
    )
    replay: Literal["auto", "plain", "base64"] = Field(
        default="auto",
        title="Results",
        description="Whether they come as text or in base64; auto decodes what can hardly be anything else.",
    )


class DhruProConnector(Connector[DhruProConfig]):
    """Buys from a DHRU Fusion Pro supplier over its reseller API, one order a request."""

    title = "DHRU Fusion Pro"
    config_type = DhruProConfig
    refusals: ClassVar[Mapping[str, RefusalReason]] = {
        # "Unauthenticated."; "Invalid token"
        "unauthenticated": RefusalReason.BAD_CREDENTIALS,
        "unauthorized": RefusalReason.BAD_CREDENTIALS,
        "invalid token": RefusalReason.BAD_CREDENTIALS,
        # "Too Many Attempts."
        "too many": RefusalReason.THROTTLED,
        "invalid ip": RefusalReason.BLOCKED,
        "ip is not allowed": RefusalReason.BLOCKED,
        "whitelist": RefusalReason.BLOCKED,
        # "Insufficient balance"; "Not enough credits" as in the classic API
        "insufficient": RefusalReason.NO_FUNDS,
        "not enough credit": RefusalReason.NO_FUNDS,
        "not enough balance": RefusalReason.NO_FUNDS,
        "creditprocess": RefusalReason.NO_FUNDS,
        # "This IMEI is already available or pending in your Account", as in the classic API
        "already": RefusalReason.DUPLICATE,
        "duplicate": RefusalReason.DUPLICATE,
        # "Product not found"
        "product not": RefusalReason.SERVICE_OFF,
        "inactive": RefusalReason.SERVICE_OFF,
        "disabled": RefusalReason.SERVICE_OFF,
        # "The … field is required."
        "required": RefusalReason.BAD_INPUT,
        "invalid imei": RefusalReason.BAD_INPUT,
        "must be at least": RefusalReason.BAD_INPUT,
    }
    codes: ClassVar[Mapping[int, RefusalReason]] = {
        # {"message": "Unauthenticated."}, {"message": "Too Many Attempts."}: nobody has looked at the request yet.
        401: RefusalReason.BAD_CREDENTIALS,
        429: RefusalReason.THROTTLED,
    }
    """HTTP codes that speak about us, whatever JSON comes with them."""
    statuses: ClassVar[Mapping[str, ReportStatus]] = {
        # "new", "in-process", "success" and "reject" were seen; the other words are those clients look for.
        "new": ReportStatus.PENDING,
        "in-process": ReportStatus.PENDING,
        "in process": ReportStatus.PENDING,
        "process": ReportStatus.PENDING,
        "processing": ReportStatus.PENDING,
        "pending": ReportStatus.PENDING,
        "queue": ReportStatus.PENDING,
        "queued": ReportStatus.PENDING,
        "success": ReportStatus.DONE,
        "complete": ReportStatus.DONE,
        "completed": ReportStatus.DONE,
        "reject": ReportStatus.FAILED,
        "rejected": ReportStatus.FAILED,
        "fail": ReportStatus.FAILED,
        "failed": ReportStatus.FAILED,
        "cancel": ReportStatus.FAILED,
        "canceled": ReportStatus.FAILED,
        "cancelled": ReportStatus.FAILED,
    }
    """The status of an order in lower case; anything else is pending and noted."""

    @classmethod
    async def knock(cls, http: SupplierHttp, root: str) -> str:
        """Return the title if ``GET account`` without a token is answered in JSON, as with code 401."""
        reply = await http.send("GET", f"{root}/api/reseller/v1/account", buys=False)
        known = reply.status in {200, 401, 403} and {"status", "message"} & folded(find_json(reply.text)).keys()
        return f"{cls.title} (kind dhru_pro)" if known else ""

    async def balance(self) -> Money:
        """Return what ``GET account`` says: ``{"currency": "USD", "balance": "125.50", "name", "email"}``."""
        data = folded(self._data(await self._call("GET", "account")))
        currency = read_currency(data.get("currency"), data.get("balance"))
        amount = read_amount(data.get("balance"), currency, signed=True)
        if not currency or amount is None:
            raise Unclear("the account's balance cannot be read")
        return Money(amount, currency)

    async def catalog(self) -> Sequence[RemoteService]:
        """Return what ``GET products`` lists, file services left out: they are ordered with a file.

        ``{"currency", "categories": {id: {"name"}}, "products": {uuid: {"name", "type", "cids", "price", "fields":
        [{"type", "name", "min", "max", "required"}]}}}``. The product's own device input becomes ours, and its name,
        which has to be sent back byte for byte ("IMEI or Serial Number "), a part of the ``remote_id``.
        """
        data = folded(self._data(await self._call("GET", "products")))
        products = data.get("products")
        rows = products.items() if isinstance(products, Mapping) else ((None, row) for row in _list(products))
        if not isinstance(products, Mapping | list):
            raise Unclear("the reply has no list of products")
        currency, categories = read_currency(data.get("currency")), folded(data.get("categories"))
        found: dict[str, RemoteService] = {}
        for uuid, row in rows:
            service = _service(text_of(uuid), folded(row), categories, currency)
            if service is not None:
                found.setdefault(service.remote_id, service)
        if products and not found:
            raise Unclear("the list of products cannot be read")
        return tuple(service for service in found.values() if service.type is not ServiceType.FILE)

    async def place(self, request: PlaceRequest) -> Placed:
        """Order once with ``POST order``, whose body is a list of products with a list of inputs each.

        ``[{"product_uuid", "fields": [{name: value, "reference_id", "Quantity"}]}]`` is answered by ``data``, a list of
        ``{"order_uuid", "amount", "currency_code", "reference_id"}``, or of one such list for each product.
        """
        uuid, _, encoded = request.remote_id.partition(":")
        inputs: dict[str, object] = dict(request.fields)
        if request.device:
            inputs[unquote(encoded) or _DEFAULT_DEVICE_FIELD] = request.device
        inputs |= {_QUANTITY: request.quantity, "reference_id": request.reference}
        body = [{"product_uuid": uuid, "fields": [inputs]}]
        orders = list(_orders(self._data(await self._call("POST", "order", buys=True, json=body))))
        ids = {text_of(order.get("order_uuid")).strip() for order in orders} - {""}
        told = {text_of(order.get("reference_id")).strip() for order in orders} - {"", request.reference}
        if len(ids) != 1 or told:
            raise Unclear("the reply names another order" if ids else "success without an order id")
        remote_id = ids.pop()
        if len(remote_id) > MAX_ID or not remote_id.isprintable() or not remote_id.strip("0"):
            raise Unclear("success without an order id")
        (amount, *others) = [read_amount(order.get("amount")) for order in orders]
        return Placed(remote_id, cost=None if others else amount)

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return what ``GET order`` says of each: ``{"status", "replay", "quantity", "date", "date_completed"}``."""
        return [await self._ask(remote_id) for remote_id in remote_ids]

    async def _ask(self, remote_id: str) -> Report:
        name = quote(remote_id, safe="")
        path = f"order/{name}" if self.config.lookup == "path" else f"order?order_uuid={name}"
        try:
            data = self._data(await self._call("GET", path))
        except Refused as error:
            if error.reason in _ABOUT_US:
                raise
            return _pending(remote_id, f"an error instead of a status: {error.text}")
        order = folded(data[0] if isinstance(data, list) and len(data) == 1 else data)
        named = text_of(order.get("order_uuid")).strip()
        if "status" not in order or named not in {"", remote_id}:
            return _pending(remote_id, "the answer has no status of this order")
        word = text_of(order["status"]).strip().lower()
        known = self.status_of(word)
        if known is None:
            return _pending(remote_id, f"unknown status {word[:40]!r}")
        if known is ReportStatus.PENDING:
            return Report(remote_id, known)
        text = self._text(text_of(order.get("replay"))).strip()
        if known is ReportStatus.FAILED:
            return Report(remote_id, known, text or "Rejected by the supplier")
        return Report(remote_id, known, text) if text else _pending(remote_id, "the final status came without a result")

    def _text(self, replay: str) -> str:
        """A result as text. Their examples show a plain one, callbacks bring base64, and clients expect either."""
        if self.config.replay == "plain":
            return replay
        compact = replay.strip()
        try:
            text = base64.b64decode(compact, validate=True).decode()
        except (binascii.Error, ValueError):
            return replay
        # A bare code may be base64 by chance ("0404" is), so that it has to look encoded, and decode to a real text.
        clear = all(mark.isprintable() or mark in "\r\n\t" for mark in text)
        likely = clear and (compact.endswith("=") or any(mark in text for mark in " \n<:"))
        return text if self.config.replay == "base64" or (likely and len(compact) >= 8) else replay

    async def _call(self, verb: str, path: str, *, buys: bool = False, json: object = None) -> Reply:
        headers = {"Authorization": f"Bearer {self.config.token.get_secret_value()}", "Accept": "application/json"}
        return await self.http.send(
            verb, f"{endpoint(self.config.base_url)}/{path}", buys=buys, json=json, headers=headers
        )

    def _data(self, reply: Reply) -> Any:
        """The ``data`` of a success; ``Refused`` for an error in their format."""
        if reply.status == 404 and not reply.buys and reply.text.lstrip().startswith("<"):
            raise Unclear("there is no reseller API (HTTP 404); this host may speak classic DHRU only")
        body = folded(reply.json())
        status, message = text_of(body.get("status")).strip().lower(), clean(text_of(body.get("message")))
        about_us = self.codes.get(reply.status)
        # An error beside an order contradicts itself; neither of the two is then to be believed.
        if status != "success" and not any(text_of(order.get("order_uuid")) for order in _orders(body.get("data"))):
            if about_us:
                raise Refused(about_us, message or f"HTTP {reply.status}")
            if status == "error":
                raise refuse(message or f"an error without a reason (HTTP {reply.status})", self.refusal)
        if status != "success" or reply.status >= 400 or "data" not in body:
            raise Unclear(
                f"the reply is not in the supplier's format (HTTP {reply.status}) {message}"[:MAX_TEXT].rstrip()
            )
        return body["data"]


def endpoint(base_url: str) -> str:
    """Return the URL in front of the calls: the site's root, or either API's address on it, with the path added."""
    parts = urlsplit(base_url)
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    path = re.sub(r"(/api(/reseller(/v1)?(/.*)?)?|(/api)?/index\.php)$", "", path)
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/api/reseller/v1", "", ""))


def _service(uuid: str, row: Mapping[str, Any], categories: Mapping[str, Any], currency: str) -> RemoteService | None:
    uuid, name = uuid or text_of(row.get("uuid") or row.get("id")).strip(), clean(text_of(row.get("name")))
    if not uuid or not name or ":" in uuid:
        return None
    of_type = _TYPES.get(text_of(row.get("type")).strip().lower(), ServiceType.SERVER)
    fields = list(_fields(row.get("fields")))
    device = next((one.name for one in fields if _DEVICE_FIELD.search(one.name)), _DEFAULT_DEVICE_FIELD)
    if of_type is ServiceType.IMEI and device != _DEFAULT_DEVICE_FIELD:
        uuid = f"{uuid}:{quote(device, safe='')}"
    taken = {_QUANTITY, device} if of_type is ServiceType.IMEI else {_QUANTITY}
    category = next(iter(_list(row.get("cids"))), row.get("cid"))
    return RemoteService(
        remote_id=uuid,
        name=name,
        group=clean(text_of(folded(categories.get(text_of(category).lower())).get("name"))),
        type=of_type,
        cost=read_amount(row.get("price"), currency),
        time=clean(text_of(row.get("time"))),
        info=clean(text_of(row.get("description")), 4_000),
        takes_quantity=any(one.name == _QUANTITY for one in fields),
        takes_serial=of_type is ServiceType.IMEI and bool(_SERIAL.search(device)),
        fields=tuple(one for one in fields if one.name not in taken),
        currency=currency,
    )


def _fields(value: object) -> Iterator[RemoteField]:
    """The inputs of a product, each name once and exactly as it came; min and max are lengths, numbers or text."""
    seen = set()
    for row in map(folded, value.values() if isinstance(value, Mapping) else _list(value)):
        name = text_of(row.get("name"))
        if not name.strip() or name in seen:
            continue
        seen.add(name)
        least, most = (text_of(row.get(key)).strip() for key in ("min", "max"))
        bounded = least.isdecimal() and most.isdecimal() and int(least[:9]) <= int(most[:9]) <= 1_000
        options = row.get("options")
        yield RemoteField(
            name,
            type=_FIELD_TYPES.get(text_of(row.get("type")).strip().lower(), FieldType.TEXT),
            required=row.get("required") is True or text_of(row.get("required")).lower() in {"1", "true", "on"},
            options=tuple(filter(None, (clean(text_of(one)) for one in _list(options)))),
            pattern=rf"(?s)^.{{{int(least)},{int(most)}}}$" if bounded else "",
        )


def _orders(data: object) -> Iterator[Mapping[str, Any]]:
    """Every order in ``data``: an object, a list of them, or a list of such lists."""
    if isinstance(data, Mapping):
        yield folded(data)
    for group in _list(data):
        yield from map(folded, group if isinstance(group, list) else [group])


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _pending(remote_id: str, note: str) -> Report:
    return Report(remote_id, ReportStatus.PENDING, note=note[:MAX_TEXT])
