"""Cek Ceir as its document describes it: the REST API, the signed webhook and the DHRU form endpoint over one book.

A single wallet in rupiah, one API key, a handful of services with JSON Schema inputs and opening hours. Orders are
reserved, captured and partly refunded as there. What the document leaves open is chosen like a sibling system's: error
bodies are ``{"message", "code"}``, an order is read under ``data``. The bulk actions, whose shapes are not published,
are unknown here.

Actions for faults: ``wallet``, ``list``, ``detail``, ``place`` and ``read`` for REST, DHRU's own names for the rest.
"""

import hashlib
import hmac
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.simulator.parameters import read_parameters
from app.simulator.server import read_form
from tests.fakes._cekceir_services import BY_CODE, SERVICES, Service
from tests.fakes._cekceir_xml import to_xml
from tests.fakes.faults import Fault, FaultyApp, Spoil, as_json, blanked, json_of, serving_fake
from tests.fakes.purchases import Purchases

__all__ = ["FakeCekCeir", "Fault", "serving_fake"]

Json = dict[str, Any]

_USER = ("username", "api_username", "user")
_SECRET = ("apiaccesskey", "key", "api_key", "apikey", "accesskey")
_ALIASES = {
    "servicelist": "imeiservicelist",
    "placeorder": "placeimeiorder",
    "getimeiorder": "orderstatus",
    "getserverorder": "orderstatus",
}
_STATUS = {"pending": "1", "success": "4", "partial": "4", "failed": "3"}
_LABEL = {"pending": "processing", "success": "completed", "partial": "partial", "failed": "failed"}


class Refusal(Exception):  # noqa: N818  what the supplier says, not what went wrong here
    """Something this supplier says no to."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "code": code}


def _problem(status: int, code: str, message: str = "") -> Spoil:
    return lambda fault, _: as_json({"message": message or fault.text, "code": code}, status)


def _no_id(_: Fault, good: Response) -> Response:
    return as_json(blanked(json_of(good), {"order_id", "REFERENCEID"}))


def _both(fault: Fault, good: Response) -> Response:
    return as_json({**json_of(good), "ERROR": [{"MESSAGE": fault.text}]})


def _unknown_status(_: Fault, good: Response) -> Response:
    body = json_of(good)
    order = {**body.get("data", body), "status": "on_hold"}
    return as_json({"data": order} if "data" in body else order)


def _other_list(fault: Fault, good: Response) -> Response:
    return as_json(_changed(json_of(good), fault.kind))


def _changed(body: Any, kind: str) -> Any:
    """A list or a service with other prices or fewer services, in either dialect."""
    if isinstance(body, list):
        return [_changed(item, kind) for item in body]
    if not isinstance(body, dict):
        return body
    changed = {}
    for name, item in body.items():
        if kind == "price" and name == "unit_price":
            changed[name] = item * 2
        elif kind == "price" and name == "CREDIT":
            changed[name] = str(int(item) * 2)
        elif kind == "list_empty" and name in {"items", "SERVICES", "LIST"}:
            changed[name] = []
        elif kind == "list_halved" and name in {"items", "SERVICES"} and isinstance(item, list):
            changed[name] = item[::2]
        else:
            changed[name] = _changed(item, kind)
    return changed


class FakeCekCeir(FaultyApp):
    """The supplier as an ASGI app; its attributes may be changed at any time."""

    username = "TRUNK7"
    secret = "fake-secret-of-the-tests"
    instead = frozenset({"refuse", "no_funds", "throttled", "closed", "expired", "forbidden", "unknown_service"})
    own_faults: ClassVar[Mapping[str, Spoil]] = {
        "no_id": _no_id,
        "both": _both,
        "unknown_status": _unknown_status,
        "refuse": _problem(400, "invalid_request"),
        "no_funds": _problem(402, "insufficient_balance", "Saldo tidak mencukupi"),
        "throttled": _problem(429, "rate_limited", "Too many requests"),
        "closed": _problem(422, "service_closed", "Layanan sedang tutup"),
        "expired": _problem(401, "unauthorized", "API key expired"),
        "forbidden": _problem(403, "forbidden", "Permission denied"),
        "unknown_service": _problem(404, "service_not_found", "Service not found"),
        "price": _other_list,
        "list_empty": _other_list,
        "list_halved": _other_list,
    }

    def __init__(self) -> None:
        super().__init__()
        self.permissions = {"service.list", "service.read_detail", "order.create", "order.read", "wallet.balance.read"}
        self.wallet = 1_000_000
        self.clock = "12:00"
        """The time of day in Jakarta."""
        self.services: tuple[Service, ...] = SERVICES
        self.page_size = 50
        """No page is longer than this, whatever limit is asked for."""
        self.pending_reads = 0
        """How often a new order is still pending when it is read; 0 answers the creation with the result."""
        self.unserved: set[str] = set()
        """Devices that cannot be served."""
        self.deliver_at_most = 1_000_000
        """Of one order no more items than this succeed."""
        self.redirect_status = 302
        self.orders: dict[int, Json] = {}
        self.purchases = Purchases()
        self._waits: dict[int, int] = {}
        self._ids = itertools.count(321)

    @property
    def key(self) -> str:
        """The whole API key, dotted."""
        return f"{self.username}.{self.secret}"

    def never_close(self) -> None:
        """Sell everything around the clock: whoever reads the hours of a service goes by the real time in Jakarta."""
        self.services = tuple(replace(one, opens="", closes="") for one in self.services)

    def config(self, base_url: str) -> dict[str, object]:
        """The config of a ``cekceir`` connector for this fake."""
        return {"base_url": base_url, "api_key": self.key}

    def dhru_config(self, base_url: str) -> dict[str, object]:
        """The config of a ``cekceir_dhru`` connector for this fake."""
        return {"base_url": base_url, "username": self.username, "api_key": self.secret}

    def counters(self) -> dict[str, Any]:
        """Orders really taken, and those that repeat service and inputs."""
        return self.purchases.stats()

    def routes(self) -> Iterable[BaseRoute]:
        """REST, and DHRU with the two aliases that only redirect."""
        return [
            Route("/api/wallet/snap", self._wallet),
            Route("/api/services", self._list),
            Route("/api/services/{code}", self._detail),
            Route("/api/order", self._create, methods=["POST"]),
            Route("/api/order/{order_id:int}", self._read),
            Route("/api/dhru", self._dhru, methods=["GET", "POST"]),
            Route("/api/dhru/index.php", self._redirect, methods=["GET", "POST"]),
            Route("/api/index.php", self._redirect, methods=["GET", "POST"]),
        ]

    def let_all_be_ready(self) -> None:
        """From now on orders are ready at their next reading."""
        self.pending_reads = 0
        self._waits = dict.fromkeys(self._waits, 0)

    def webhook(self, order_id: int, recipe: str = "fields") -> tuple[dict[str, str], bytes]:
        """The headers and body of the call this supplier makes about an order, signed by one of the two recipes."""
        order = self.orders[order_id]
        body = orjson.dumps(order)
        amounts = {"pending": order["total_price"], "failed": 0}
        amount = amounts.get(order["status"], order["charged_amount"])
        signed = body if recipe == "raw" else f'{{"orderId":{order_id},"amount":"{amount}"}}'.encode()
        signature = hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
        return {
            "content-type": "application/json",
            "x-webhook-event": "dispatch.webhook.order",
            "x-signature": signature,
        }, body

    # REST

    async def _wallet(self, request: Request) -> Response:
        reserved = sum(order["total_price"] for order in self.orders.values() if order["status"] == "pending")
        return await self._rest(
            request,
            "wallet",
            "wallet.balance.read",
            lambda: {"balance": self.wallet, "reserved": reserved, "wallet_id": 9},
        )

    async def _list(self, request: Request) -> Response:
        def work() -> Json:
            limit = min(int(request.query_params.get("limit", 20)), self.page_size)
            after = int(request.query_params.get("cursor", 0))
            rest = [service for service in self.services if service.id > after]
            items = [service.row() for service in rest[:limit]]
            return {"data": {"page": {"items": items, "next_cursor": items[-1]["id"] if rest[limit:] else None}}}

        return await self._rest(request, "list", "service.list", work)

    async def _detail(self, request: Request) -> Response:
        return await self._rest(
            request,
            "detail",
            "service.read_detail",
            lambda: {"data": self._service(request.path_params["code"]).detail()},
        )

    async def _create(self, request: Request) -> Response:
        body = orjson.loads(await request.body() or b"null")

        def work() -> Json:
            if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
                raise Refusal(400, "payload_required", "Invalid request")
            return self._order(self._service(str(body.get("code"))), body["data"])

        return await self._rest(request, "place", "order.create", work)

    async def _read(self, request: Request) -> Response:
        return await self._rest(
            request, "read", "order.read", lambda: {"data": self._progress(request.path_params["order_id"])}
        )

    async def _rest(self, request: Request, action: str, permission: str, work: Any) -> Response:
        def guarded() -> Response:
            try:
                if request.headers.get("authorization") != f"Bearer {self.key}":
                    raise Refusal(401, "unauthorized", "Invalid API key")
                if permission not in self.permissions:
                    raise Refusal(403, "forbidden", f"Missing permission {permission}")
                return as_json(work())
            except Refusal as refusal:
                return as_json(refusal.body, refusal.status)

        return await self.answer(request, action, guarded)

    # The book

    def _service(self, name: str) -> Service:
        found = next((one for one in self.services if name in {one.code, str(one.id)} and one.is_active), None)
        if found is None:
            raise Refusal(404, "service_not_found", "Service not found")
        return found

    def _order(self, service: Service, data: Json) -> Json:
        if (wrong := service.wrong(data)) is not None:
            raise Refusal(422, "invalid_payload", wrong)
        if not service.is_open(self.clock):
            raise Refusal(422, "service_closed", "Layanan sedang tutup")
        items = service.items(data)
        if not service.min_items <= len(items) <= service.max_items:
            raise Refusal(422, "invalid_item_count", f"Between {service.min_items} and {service.max_items} items")
        total = service.price * len(items)
        if total > self.wallet:
            raise Refusal(402, "insufficient_balance", "Saldo tidak mencukupi")
        order_id = next(self._ids)
        self.purchases.add(service.code, orjson.dumps(data, option=orjson.OPT_SORT_KEYS))
        self.wallet -= total
        self.orders[order_id] = {
            "status": "pending",
            "reference_id": None,
            "message": "Pesanan-mu sedang kami proses.",
            "processed": 0,
            "processed_success": 0,
            "processed_error": 0,
            "remaining_balance": self.wallet,
            "result": {},
            "error_message": None,
            "order_id": order_id,
            "transaction_id": order_id + 333,
            "service_code": service.code,
            "total": len(items),
            "price": service.price,
            "total_price": total,
            "charged_amount": 0,
            "refunded_amount": 0,
            "balance_before": self.wallet + total,
            "created_at": "2026-04-26T00:00:00.000Z",
        }
        self._waits[order_id] = self.pending_reads
        if not self.pending_reads:
            self._finish(order_id, items)
        return self.orders[order_id]

    def _progress(self, order_id: int) -> Json:
        order = self.orders.get(order_id)
        if order is None:
            raise Refusal(404, "order_not_found", "Order not found")
        if order["status"] == "pending":
            if self._waits[order_id] <= 0:
                self._finish(order_id, [""] * order["total"])
            self._waits[order_id] -= 1
        return order

    def _finish(self, order_id: int, items: list[str]) -> None:
        """Capture what succeeded and give the rest back."""
        order = self.orders[order_id]
        good = min(sum(item not in self.unserved for item in items), self.deliver_at_most)
        status = "success" if good == len(items) else "partial" if good else "failed"
        charged = order["price"] * good
        self.wallet += order["total_price"] - charged
        order |= {
            "status": status,
            "message": "Pesanan gagal." if status == "failed" else "Pesanan-mu telah berhasil kami proses.",
            "processed": len(items),
            "processed_success": good,
            "processed_error": len(items) - good,
            "remaining_balance": self.wallet,
            "result": {"status": "registered", "items": good} if good else {},
            "error_message": "IMEI tidak ditemukan" if status == "failed" else None,
            "charged_amount": charged,
            "refunded_amount": order["total_price"] - charged,
            "reference_id": "provider-reference-123",
        }

    # DHRU

    async def _redirect(self, _: Request) -> Response:
        return RedirectResponse("/api/dhru", self.redirect_status)

    async def _dhru(self, request: Request) -> Response:
        form = await read_form(request) if request.method == "POST" else {}
        action = form.get("action", "")

        def work() -> Response:
            try:
                return as_json({"SUCCESS": [self._dhru_success(form)], "apiversion": "8.2"})
            except Refusal as refusal:
                return as_json(refusal.body, refusal.status)

        good = await self.answer(request, action, work)
        if type(good) is not Response or not (good.media_type or "").startswith("application/json"):
            return good
        body = orjson.loads(good.body)
        if good.status_code >= 400:
            # Every error comes with 200 here.
            error = {"MESSAGE": body["message"], "FULL_DESCRIPTION": body["code"]}
            body = {"ERROR": [error], "apiversion": "8.2"}
        return to_xml(body) if form.get("requestformat", "").upper() == "XML" else as_json(body)

    def _dhru_success(self, form: Mapping[str, str]) -> Json:
        user = next((form[name] for name in _USER if form.get(name)), "")
        secret = next((form[name] for name in _SECRET if form.get(name)), "")
        if not (user and secret) or self.key not in {user, secret, f"{user}.{secret}"}:
            raise Refusal(401, "invalid_api_key", "Authentication failed")
        action = form.get("action", "").lower()
        match _ALIASES.get(action, action):
            case "accountinfo":
                account = {
                    "credit": str(self.wallet),
                    "creditraw": self.wallet,
                    "mail": "reseller@example.com",
                    "currency": "IDR",
                    "username": self.username,
                }
                return {"MESSAGE": "Your Account Info", "AccountInfo": account}
            case "imeiservicelist":
                return {"MESSAGE": "IMEI Service List", "LIST": _dhru_list()}
            case "placeimeiorder":
                try:
                    parameters = read_parameters(form.get("parameters", ""))
                except ValueError:
                    parameters = {}
                if not {"ID", "IMEI"} <= parameters.keys():
                    raise Refusal(400, "payload_required", "Invalid request")
                extra = {name: value for name, value in parameters.items() if name not in {"ID", "IMEI"}}
                order = self._order(self._service(parameters["ID"]), {"imeis": [parameters["IMEI"]], **extra})
                return {"MESSAGE": "Order Placed Successfully", "REFERENCEID": str(order["order_id"])}
            case "orderstatus":
                name = form.get("orderid", "")
                order = self._progress(int(name) if name.isdigit() else 0)
                return {
                    "STATUS": _STATUS[order["status"]],
                    "CODE": _LABEL[order["status"]],
                    "REFERENCEID": name,
                    "MESSAGE": order["error_message"] or f"Order {_LABEL[order['status']]}",
                }
        raise Refusal(400, "invalid_action", "Invalid action")


def _dhru_list() -> list[Json]:
    """The services that need an IMEI and nothing else, in arrays."""
    eligible = [one for one in BY_CODE.values() if one.is_active and set(one.schema["required"]) == {"imeis"}]
    services = [
        {
            "SERVICEID": str(one.id),
            "SERVICETYPE": "IMEI",
            "SERVICENAME": one.name,
            "CREDIT": str(one.price),
            "TIME": "automatic",
            "INFO": "",
            "Requires": {"Custom": []},
        }
        for one in eligible
    ]
    return [{"GROUPNAME": "IMEI", "GROUPTYPE": "IMEI", "SERVICES": services}]
