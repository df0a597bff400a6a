"""Cek Ceir over its REST API: checks and registrations of IMEIs in Indonesia, paid in rupiah.

From their document: ``GET /api/services`` (pages with a cursor), ``GET /api/services/{idOrCode}`` (price and item
limits), ``POST /api/order`` with ``{code, data}``, ``GET /api/order/{id}``, ``GET /api/wallet/snap``; a key has
permissions (service.list, service.read_detail, order.create, order.read, wallet.balance.read) and one webhook URL.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from pydantic import Field, SecretStr

from app.connectors._amounts import read_amount
from app.connectors._cekceir import CURRENCY, REFUSALS, STATUSES, RestApi, body_of, order_id, pending, placed
from app.connectors._cekceir_inputs import IMEIS, Inputs, put_device, read_inputs
from app.connectors._dhru_reply import clean, text_of
from app.connectors._reply import find_json
from app.connectors.base import (
    Connector,
    ConnectorConfig,
    Placed,
    PlaceRequest,
    RemoteService,
    Report,
    ServiceType,
)
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear, Unsupported
from app.connectors.http import SupplierHttp
from app.money import Money

_PAGE = 50
"""Their largest page."""
_MAX_PAGES = 200
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_ZONE = "Asia/Jakarta"
"""Their hours carry no zone; they are taken for those of the capital, where the registers are."""


class CekCeirConfig(ConnectorConfig):
    """An API key at Cek Ceir."""

    api_key: SecretStr = Field(
        min_length=1, max_length=500, title="API key", description="The whole key, with its dot."
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        max_length=500,
        title="Webhook secret",
        description="Only if their calls are signed with something else than the part of the key behind the dot.",
    )


class CekCeirConnector(Connector[CekCeirConfig]):
    """Buys from Cek Ceir, one order a device, and verifies what it calls us with.

    A remote id is their service code. Where the device does not go into ``imeis``, the place it goes to is put behind
    the code as a JSON pointer ("unlock/imei", "check/serials/0"); so an order that is nothing but a device needs no
    look at the service first.
    """

    title = "Cek Ceir"
    config_type = CekCeirConfig
    refusals = REFUSALS
    statuses = STATUSES

    def __init__(self, config: CekCeirConfig, http: SupplierHttp) -> None:
        super().__init__(config, http)
        key = config.api_key.get_secret_value()
        self._webhook_key = config.webhook_secret.get_secret_value() or key.rpartition(".")[2]
        self._api = RestApi(http, config.base_url, key, self.refusal, self.status_of)
        self._inputs: dict[str, Inputs] = {}

    async def balance(self) -> Money:
        """Return what the wallet holds: ``{"balance": 98500, "reserved": 0, "wallet_id": 9}``."""
        amount = read_amount(body_of(await self._api.get("/api/wallet/snap")).get("balance"), CURRENCY, signed=True)
        if amount is None:
            raise Unclear("the wallet's balance cannot be read")
        return Money(amount, CURRENCY)

    async def catalog(self) -> Sequence[RemoteService]:
        """Return the active services, with one call for each page of 50 and one for the price of each service.

        A service is left out if it is gone by the time its price is asked for, or wants what no form can ask for.
        """
        found: dict[str, RemoteService] = {}
        rows = await self._rows()
        for row in rows:
            service = await self._service(row)
            if service is not None:
                found.setdefault(service.remote_id, service)
        if rows and not found:
            raise Unclear("none of the listed services can be read")
        return tuple(found.values())

    async def place(self, request: PlaceRequest) -> Placed:
        """Order once; what is more than a device is put into the service's own types, which are read first."""
        code, slash, pointer = request.remote_id.partition("/")
        if request.type is ServiceType.IMEI and request.device and not request.fields and request.quantity == 1:
            data: dict[str, Any] = {}
            put_device(data, slash + pointer or IMEIS, request.device)
        else:
            data = (await self._inputs_of(code)).data(request)
        try:
            return placed(await self._api.post("/api/order", {"code": code, "data": data}), self.status_of)
        except Refused:
            # Perhaps because the service now wants something else.
            self._inputs.pop(code, None)
            raise

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return what ``GET /api/order/{id}`` says of one order; one they do not know is pending with a note."""
        if len(remote_ids) != 1:
            raise Unsupported("one order is read at a time")
        try:
            return [await self._api.order(remote_ids[0])]
        except Refused as refused:
            if refused.reason is not RefusalReason.SERVICE_OFF:
                raise
            return [pending(remote_ids[0], f"they do not know this order: {refused.text}")]

    def webhook(self, headers: Mapping[str, str], body: bytes) -> str:
        """Verify ``X-Signature``, a hex HMAC-SHA256, and return the order's id.

        Their document says "for the order payload". Two readings are accepted: over the body as it came, and, as a
        sibling system defines it, over ``{"orderId":321,"amount":"1500"}``, where the amount is ``total_price`` while
        pending, "0" if failed, else ``charged_amount``. The second does not cover the result, and neither a time.
        """
        value = find_json(body.decode("utf-8", "replace"))
        order = value if isinstance(value, Mapping) else {}
        name = order_id(order, "order_id")
        theirs = headers.get("x-signature", "").strip().lower().encode()
        recipes = (body, _signed_fields(name, order))
        matches = [hmac.compare_digest(theirs, self._signature(recipe)) for recipe in recipes]
        if not self._webhook_key or not any(matches):
            raise Refused(RefusalReason.BAD_CREDENTIALS, "the signature is wrong")
        if not name:
            raise Refused(RefusalReason.BAD_INPUT, "the call names no order")
        return name

    def _signature(self, text: bytes) -> bytes:
        return hmac.new(self._webhook_key.encode(), text, hashlib.sha256).hexdigest().encode()

    async def _rows(self) -> list[Mapping[str, Any]]:
        """Every row of the list; ``Unclear`` if a page is none or the pages go in circles."""
        rows: list[Mapping[str, Any]] = []
        cursor, seen = "", {""}
        for _ in range(_MAX_PAGES):
            value = await self._api.get(f"/api/services?limit={_PAGE}{cursor and '&cursor='}{cursor}")
            page = body_of(value).get("page")
            items = page.get("items") if isinstance(page, Mapping) else None
            if not isinstance(page, Mapping) or not isinstance(items, list):
                raise Unclear("the reply has no service list")
            rows += [row for row in items if isinstance(row, Mapping)]
            cursor = text_of(page.get("next_cursor")).strip()
            if not cursor:
                return rows
            if cursor in seen or not cursor.isdigit():
                break
            seen.add(cursor)
        raise Unclear("the pages of the service list do not end")

    async def _service(self, row: Mapping[str, Any]) -> RemoteService | None:
        code = text_of(row.get("code"))
        if not _CODE.fullmatch(code) or row.get("is_active") is False:
            return None
        try:
            # Their list has no prices; should it ever, that saves a call for each service.
            detail = row if "rule" in row else await self._detail(code)
        except Refused as refused:
            if refused.reason is RefusalReason.SERVICE_OFF:
                return None
            raise
        kind = _object(detail.get("service_type"))
        inputs = read_inputs(kind.get("input_schema"))
        if inputs is None or kind.get("is_active") is False:
            return None
        rule = _object(detail.get("rule"))
        opens, closes = _hours(detail)
        return RemoteService(
            remote_id=code if inputs.device in {"", IMEIS} else code + inputs.device,
            name=clean(text_of(detail.get("name"))) or code,
            group=clean(text_of(kind.get("name"))),
            type=ServiceType.IMEI if inputs.device else ServiceType.SERVER,
            cost=read_amount(rule.get("unit_price"), CURRENCY),
            time=clean(text_of(rule.get("processing_type") or detail.get("processing_type"))),
            info=text_of(detail.get("description")).strip(),
            min_quantity=_count(rule.get("min_items")),
            max_quantity=_count(rule.get("max_items")),
            takes_quantity=bool(inputs.quantity),
            takes_serial=inputs.takes_serial,
            fields=inputs.fields,
            currency=CURRENCY,
            opens=opens,
            closes=closes,
            zone=_ZONE if opens else "",
        )

    async def _detail(self, code: str) -> Mapping[str, Any]:
        detail = body_of(await self._api.get(f"/api/services/{quote(code, safe='')}"))
        if detail.get("code") != code:
            raise Unclear(f"the reply is not about the service {code}")
        return detail

    async def _inputs_of(self, code: str) -> Inputs:
        """What the service wants; nothing has been ordered yet, so that a silence here is ``NotSent``."""
        if code not in self._inputs:
            try:
                detail = await self._detail(code)
            except Unclear as error:
                raise NotSent(f"what the service wants could not be read: {error.text}") from error
            inputs = read_inputs(_object(detail.get("service_type")).get("input_schema"))
            if inputs is None:
                raise Refused(RefusalReason.SERVICE_OFF, "the service wants an input that cannot be asked for")
            self._inputs[code] = inputs
        return self._inputs[code]


def _signed_fields(name: str, order: Mapping[str, Any]) -> bytes:
    status = text_of(order.get("status"))
    amount = {"pending": order.get("total_price"), "failed": 0, "cancelled": 0}.get(status, order.get("charged_amount"))
    return orjson.dumps({"orderId": int(name or 0), "amount": text_of(amount) or "0"})


def _hours(detail: Mapping[str, Any]) -> tuple[str, str]:
    """Opening and closing time; both empty for "always open", which their document writes as null."""
    times = [text for text in _texts(detail, "open_time", "close_time") if _TIME.fullmatch(text)]
    return (times[0], times[1]) if len(times) == 2 else ("", "")


def _texts(body: Mapping[str, Any], *names: str) -> Iterator[str]:
    return (text_of(body.get(name)).strip() for name in names)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else None
