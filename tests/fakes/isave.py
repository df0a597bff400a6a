"""iSave's Check API and its DHRU bridge: one account, one book of orders, two doors.

Their document is followed, samples and silences included. What it does not show can be had in each likely shape: the
body of an error (``error_key``), the place of a result (``result_in``) and the answer to a bulk order (``bulk_shape``).
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Literal

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tests.fakes.faults import Fault, FaultyApp, Spoil, as_json, blanked, json_of
from tests.fakes.purchases import Purchases

ALIASES = {
    "getbalance": "accountinfo",
    "serverservicelist": "imeiservicelist",
    "placeorder": "placeimeiorder",
    "getorder": "getimeiorder",
}
"""The bridge's second names for its actions."""

CODES = {
    400: "Required fields missing or invalid.",
    401: "API key missing or invalid.",
    402: "Insufficient Balance. Top up your account.",
    403: "Account blocked or restricted.",
    404: "Service Not Found. Re-check with services.",
    504: "Gateway Timeout. Retry once later.",
}
"""The table of HTTP codes; the wording of the body is ours, because theirs is shown nowhere."""


@dataclass
class Order:
    """One order that was accepted and charged; ``number`` is the bridge's, ``polls`` how often it was asked for."""

    number: str
    service: str
    device: str
    custom_request_id: str = ""
    polls: int = 0

    @property
    def request_id(self) -> str:
        """The REST name of the order: "req_1713657812_82" is "171365781282" at the bridge."""
        return f"req_{self.number[:10]}_{self.number[10:]}"

    def data(self) -> dict[str, str]:
        """What the check found, as the document's sample has it."""
        by_imei = self.device.isdigit()
        return {
            "productDescription": "iPhone 13 GREEN 128GB",
            "imei": self.device if by_imei else "356557847079356",
            "serial": "ABCDEF123456" if by_imei else self.device,
            "carrierName": "Unlocked",
            "fmiStatus": "OFF",
        }


class Refusal(Exception):  # noqa: N818  a reply, not an accident
    """They say no with one of the documented codes; nothing is charged."""

    def __init__(self, code: int) -> None:
        super().__init__(CODES[code])
        self.code = code


def _other_list(fault: Fault, good: Response) -> Response:
    body = json_of(good)
    if "services" in body:
        return as_json({**body, "services": _changed(fault.kind, body["services"], "price")})
    success = body["SUCCESS"][0]
    groups = {
        name: {**group, "SERVICES": {s["SERVICEID"]: s for s in _changed(fault.kind, group["SERVICES"], "CREDIT")}}
        for name, group in success["LIST"].items()
    }
    return as_json({**body, "SUCCESS": [{**success, "LIST": groups if fault.kind != "list_empty" else []}]})


def _changed(kind: str, services: Any, price: str) -> list[dict[str, Any]]:
    rows = list(services.values()) if isinstance(services, Mapping) else services
    if kind == "list_empty":
        return []
    if kind == "list_halved":
        return [*rows[::2]]
    return [{**row, price: str(Decimal(row[price]) * 2)} for row in rows]


class FakeIsave(FaultyApp):
    """The fake as an ASGI app: ``POST /api/v1/check`` and ``POST /api/dhru_bridge``, without ``.php``."""

    api_key = "FAKE-KEY-OF-THE-TESTS"
    currency = "USD"
    own_faults: ClassVar[Mapping[str, Spoil]] = {
        # success:false (bridge: ERROR) with `text`, within 200.
        "refuse": lambda fault, _: as_json(
            {"success": False, "error": fault.text}
            if fault.action.startswith("check:")
            else {"ERROR": [{"MESSAGE": fault.text}], "apiversion": "6.1"}
        ),
        # The code `status` of their table with a JSON body.
        "code": lambda fault, _: as_json({"success": False, "error": CODES[fault.status]}, fault.status),
        "throttled": lambda _, __: as_json({"message": "Too Many Attempts."}, 429),
        "no_id": lambda _, good: as_json(blanked(json_of(good), {"request_id", "REFERENCEID"})),
        "no_data": lambda _, good: as_json(blanked(json_of(good), {"data"})),
        "both": lambda fault, good: as_json({**json_of(good), "success": False, "ERROR": fault.text}),
        "bulk_unsupported": lambda _, __: as_json({"ERROR": [{"MESSAGE": "Command Not Found"}], "apiversion": "6.1"}),
        # The service list with every price doubled, without services, without every other service.
        "price": _other_list,
        "list_empty": _other_list,
        "list_halved": _other_list,
    }
    instead = frozenset({"refuse", "code", "throttled", "bulk_unsupported"})

    def __init__(self) -> None:
        super().__init__()
        self.balance = Decimal("336.81")
        self.services = {
            "gsx": ("GSX Standard Report", "Official API Service", "0.40"),
            "gsxpremium": ("GSX Premium Report", "Full GSX details including repair history", "0.80"),
            "findmy": ("Find My iPhone Status", "ON or OFF", "0.05"),
        }
        self.blocked = False
        self.error_key: Literal["error", "message"] = "error"
        self.result_in: Literal["code", "reply", "json", "object"] = "reply"
        self.bulk_shape: Literal["rows", "numbered", "by_device", "anonymous"] = "rows"
        self.polls_to_wait = 1
        self.rejects: dict[str, str] = {}
        self.orders: dict[str, Order] = {}
        self.purchases = Purchases()

    def config(self, base_url: str) -> dict[str, object]:
        """The config of either connector for this fake."""
        return {"base_url": base_url, "api_key": self.api_key}

    def routes(self) -> Iterable[BaseRoute]:
        """Both endpoints; anything else, ``.php`` paths included, is a 404 page."""
        return [
            Route("/api/v1/check", self._check, methods=["POST"]),
            Route("/api/dhru_bridge", self._bridge, methods=["POST"]),
        ]

    def counters(self) -> dict[str, Any]:
        """What was charged."""
        return {**self.purchases.stats(), "balance": str(self.balance)}

    def _buy(self, service: str, device: str, custom_request_id: str = "") -> Order:
        """Charge and keep one order. Nothing is recognised as a repetition; no de-duplication is promised."""
        if service not in self.services:
            raise Refusal(404)
        if not (device.isascii() and device.isalnum() and 8 <= len(device) <= 17):
            raise Refusal(400)
        price = Decimal(self.services[service][2])
        if price > self.balance:
            raise Refusal(402)
        self.balance -= price
        self.purchases.add(service, device)
        order = Order(f"{1713657812 + len(self.orders)}82", service, device, custom_request_id)
        self.orders[order.number] = order
        return order

    def _admit(self, key: str) -> None:
        if key != self.api_key:
            raise Refusal(401)
        if self.blocked:
            raise Refusal(403)

    # REST

    async def _check(self, request: Request) -> Response:
        try:
            body = orjson.loads(await request.body())
        except ValueError:
            body = {}
        body = body if isinstance(body, dict) else {}
        command = str(body.get("command", ""))
        key = request.headers.get("x-api-key", "")
        return await self.answer(request, f"check:{command}", lambda: self._rest_reply(key, command, body))

    def _rest_reply(self, key: str, command: str, body: Mapping[str, Any]) -> Response:
        try:
            self._admit(key)
            if not command:
                raise Refusal(400)
            return Response(
                # Their numbers are JSON numbers; a Decimal's own digits keep them exact.
                orjson.dumps(
                    {"success": True, **self._rest(command, body)}, default=_number, option=orjson.OPT_INDENT_2
                ),
                media_type="application/json",
            )
        except Refusal as no:
            return as_json({"success": False, self.error_key: str(no)}, no.code)

    def _rest(self, command: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if command == "balance":
            return {"username": "client_username", "balance": self.balance, "currency": self.currency}
        if command == "services":
            return {
                "services": [
                    {"command_name": name, "service_title": title, "description": text, "price": price}
                    for name, (title, text, price) in self.services.items()
                ]
            }
        order = self._buy(command, str(body.get("identifier", "")), str(body.get("custom_request_id", "")))
        return {"request_id": order.request_id, "credits": self.balance, "data": order.data()}

    # DHRU bridge

    async def _bridge(self, request: Request) -> Response:
        form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
        action = form.get("action", "").lower()
        action = ALIASES.get(action, action)
        return await self.answer(request, action, lambda: as_json(self._bridge_reply(action, form)))

    def _bridge_reply(self, action: str, form: Mapping[str, str]) -> dict[str, Any]:
        try:
            self._admit(form.get("apiaccesskey", ""))
            return {**self._bridge_answer(action, form), "apiversion": "6.1"}
        except Refusal as no:
            return {"ERROR": [{"MESSAGE": str(no)}], "apiversion": "6.1"}

    def _bridge_answer(self, action: str, form: Mapping[str, str]) -> dict[str, Any]:
        credit = {"credit": str(self.balance), "mail": "client@example.com", "currency": self.currency}
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "accountinfo": lambda: _success({"message": "Your Accout Info", "AccoutInfo": credit}),
            "imeiservicelist": lambda: _success({"MESSAGE": "IMEI Service List", "LIST": {"iSave": self._group()}}),
            "placeimeiorder": lambda: _success(self._place_one(_read(form, "PARAMETERS"))),
            "placeimeiorderbulk": lambda: self._place_bulk(_read(form, "REQUEST")),
            "getimeiorder": lambda: self._status(form.get("ID", "")),
            "getimeiorderbulk": lambda: {name: self._status(name) for name in form.get("IDS", "").split(",") if name},
        }
        return answers.get(action, lambda: {"ERROR": [{"MESSAGE": "Command Not Found"}]})()

    def _group(self) -> dict[str, Any]:
        services = {
            name: {"SERVICEID": name, "SERVICETYPE": "IMEI", "SERVICENAME": title, "CREDIT": price, "INFO": text}
            for name, (title, text, price) in self.services.items()
        }
        return {"GROUPNAME": "iSave", "GROUPTYPE": "IMEI", "SERVICES": services}

    def _place_one(self, order: ET.Element) -> dict[str, str]:
        device = order.findtext("IMEI") or order.findtext("SN") or ""
        placed = self._buy(order.findtext("ID") or "", device)
        return {"MESSAGE": "Order received", "REFERENCEID": placed.number}

    def _place_bulk(self, orders: ET.Element) -> dict[str, Any]:
        rows: list[dict[str, Any]] = []
        devices: list[str] = []
        for order in orders.iter("ORDER"):
            name = "IMEI" if order.find("IMEI") is not None else "SN"
            devices.append(order.findtext(name) or "")
            told = {} if self.bulk_shape in {"anonymous", "by_device"} else {name: devices[-1]}
            try:
                rows.append(_success({**self._place_one(order), **told}))
            except Refusal as no:
                rows.append({"ERROR": [{"MESSAGE": str(no), **told}]})
        if self.bulk_shape == "by_device":
            return dict(zip(devices, rows, strict=True))
        if self.bulk_shape == "numbered":
            return {str(n): row for n, row in enumerate(rows)}
        return {
            key: [row[key][0] for row in rows if key in row]
            for key in ("SUCCESS", "ERROR")
            if any(key in row for row in rows)
        }

    def _status(self, number: str) -> dict[str, Any]:
        order = self.orders.get(number)
        if order is None:
            return {"ERROR": [{"MESSAGE": "Order Not Found"}]}
        order.polls += 1
        if order.polls <= self.polls_to_wait:
            return _success({"STATUS": "1", "CODE": "", "REPLY": ""})
        if order.device in self.rejects:
            return _success({"STATUS": "3", "CODE": "", "REPLY": self.rejects[order.device]})
        data = order.data()
        text = "\n".join(f"{name}: {value}" for name, value in data.items())
        shapes: dict[str, dict[str, Any]] = {
            "code": {"CODE": text},
            "reply": {"CODE": "", "REPLY": text},
            "json": {"CODE": orjson.dumps(data).decode(), "REPLY": ""},
            "object": {"CODE": data, "REPLY": "Success"},
        }
        return _success({"STATUS": "4", **shapes[self.result_in]})


def _success(first: object) -> dict[str, Any]:
    return {"SUCCESS": [first]}


def _read(form: Mapping[str, str], root: str) -> ET.Element:
    try:
        element = ET.fromstring(form.get("parameters", ""))
    except ET.ParseError:
        raise Refusal(400) from None
    if element.tag != root:
        raise Refusal(400)
    return element


def _number(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError
