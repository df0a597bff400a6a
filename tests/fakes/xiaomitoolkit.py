"""XiaomiToolkit's REST API (Laravel Sanctum) and its DHRU endpoint: one account, two doors.

Their document is followed with its contradictions: ``execute`` answers in either of its two forms (``executes``), and
the data lie in the record, behind a link, or nowhere (``data_in``). Whether an answer from the cache is a new record
and costs money is a switch of the account, because the document does not say.
"""

import base64
import binascii
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any, ClassVar, Literal

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tests.fakes._xiaomitoolkit_account import (
    BRANDS,
    DEVICES,
    DEVICES_OF,
    SERVICES,
    SUB_SERVICES,
    TRY_CREDIT,
    Account,
    Refusal,
)
from tests.fakes.faults import Fault, FaultyApp, Spoil, as_json, blanked, json_of

TEXTS = {
    401: "Unauthenticated.",
    402: "Insufficient credits. Please purchase more credits.",
    403: "Your license is not active.",
    404: "Service executor not found for this service.",
    409: "Duplicate detected: IMEI 1 already exists in your records. Send force=true to proceed anyway.",
    422: "Validation failed.",
    429: "Too Many Attempts.",
    502: "External CPID service unavailable.",
}

Json = dict[str, Any]


def _error(status: int, message: str = "", **errors: object) -> Response:
    more = {"errors": errors} if errors else {}
    return as_json({"success": False, "message": message or TEXTS[status], **more}, status)


def _ok(data: object, message: str = "", status: int = 200, **more: object) -> Response:
    said = {"message": message} if message else {}
    return as_json({"success": True, "data": data, **more, **said}, status)


def _dhru_error(message: str) -> Response:
    return as_json({"ERROR": [{"MESSAGE": message}]})


def _refuse(status: int, dhru: str) -> Spoil:
    return lambda fault, _: _dhru_error(dhru) if fault.action.startswith("dhru") else _error(status)


def _other_list(fault: Fault, good: Response) -> Response:
    body = json_of(good)
    if fault.kind == "price" and "sell_price" in body.get("data", {}):
        return as_json({**body, "data": {**body["data"], "sell_price": body["data"]["sell_price"] * 2}})
    if "SUCCESS" not in body:
        return as_json({**body, "data": [] if fault.kind == "list_empty" else body["data"][::2]})
    items = body["SUCCESS"][0]["LIST"]
    if fault.kind == "price":
        items = {key: {**item, "CREDIT": str(Decimal(item["CREDIT"]) * 2)} for key, item in items.items()}
    else:
        items = [] if fault.kind == "list_empty" else dict(list(items.items())[::2])
    return as_json({"SUCCESS": [{**body["SUCCESS"][0], "LIST": items}]})


class FakeXiaomitoolkit(FaultyApp):
    """The fake as an ASGI app; what it does may be changed by its attributes at any time."""

    email = "shop@example.com"
    password = "FAKE-PASSWORD-OF-THE-TESTS"
    api_key = "FAKE-KEY-OF-THE-TESTS"
    own_faults: ClassVar[Mapping[str, Spoil]] = {
        # Any code of their table in their error format, or an ERROR with `text`.
        "code": lambda fault, _: _error(fault.status),
        "refuse": lambda fault, _: (
            _dhru_error(fault.text) if fault.action.startswith("dhru") else _error(fault.status, fault.text)
        ),
        "no_funds": _refuse(402, "Insufficient credit."),
        "throttled": _refuse(429, "Too Many Attempts."),
        "revoked": _refuse(401, "Invalid API key."),
        # Charged, failed behind them, refunded: the work itself does it.
        "refunded": lambda _, good: good,
        "no_id": lambda _, good: as_json(blanked(json_of(good), {"record_id", "REFERENCEID"}), good.status_code),
        "both": lambda fault, good: as_json(
            {**json_of(good), "success": False, "message": fault.text, "ERROR": [{"MESSAGE": fault.text}]}
        ),
        # Every price doubled, a list without its elements, without every other element.
        "price": _other_list,
        "list_empty": _other_list,
        "list_halved": _other_list,
    }
    instead = frozenset({"code", "refuse", "no_funds", "throttled", "revoked"})

    def __init__(self) -> None:
        super().__init__()
        self.account = Account()
        self.executes: Literal["202 with data", "200 with link", "202 queued"] = "202 with data"
        self.data_in: Literal["record", "download", "link", "nowhere"] = "record"
        self.limits = {"login": 10, "execute": 100, "": 60}
        """Requests in a minute, by action; "" for every other one."""
        self.minute: Callable[[], int] = lambda: int(time.time() // 60)
        self.tokens: dict[str, str] = {}
        """The device name of each living token."""
        self._used: Counter[tuple[int, str]] = Counter()

    def config(self, base_url: str) -> Json:
        """The config of a REST connector for this fake."""
        return {"base_url": base_url, "email": self.email, "password": self.password}

    def dhru_config(self, base_url: str) -> Json:
        """The config of a DHRU connector for this fake."""
        return {"base_url": base_url, "api_key": self.api_key}

    def counters(self) -> Json:
        """What was accepted, by all four inputs; ``charged`` leaves out answers from the cache that cost nothing."""
        return {**self.account.purchases.stats(), "charged": self.account.charged, "balance": str(self.account.balance)}

    def routes(self) -> Iterable[BaseRoute]:
        """The paths of both doors."""
        v1 = "/api/v1"
        get: list[tuple[str, str, Callable[[Request], Response]]] = [
            ("profile", "profile", self._profile),
            ("credits/balance", "credits", self._credits),
            ("credits/pricing", "credit-pricing", lambda _: _ok(TRY_CREDIT, "Pricing information retrieved.")),
            ("services", "services", self._services),
            ("services/{slug}/sub-services", "sub-services", self._sub_services),
            ("brands", "brands", lambda _: _ok(BRANDS)),
            ("devices", "devices", self._devices),
            ("pricing/{slug}", "pricing", self._pricing),
            ("services/history", "history", self._history),
            ("services/order/{id}", "order", self._order),
            ("services/order/{id}/download", "download", lambda request: self._file(request, "download")),
            ("records/{id}/download", "record-download", lambda request: self._file(request, "link")),
        ]
        return [
            Route(f"{v1}/auth/login", self._login, methods=["POST"]),
            Route(f"{v1}/auth/logout", self._guarded("logout", self._logout), methods=["POST"]),
            Route(f"{v1}/auth/me", self._guarded("me", lambda _: self._user("User data retrieved.")), methods=["POST"]),
            Route(f"{v1}/services/execute", self._execute, methods=["POST"]),
            *(Route(f"{v1}/{path}", self._guarded(action, work)) for path, action, work in get),
            Route("/dhru_api.php", self._dhru, methods=["POST"]),
        ]

    def _over_limit(self, action: str) -> bool:
        bucket = action if action in self.limits else ""
        self._used[self.minute(), bucket] += 1
        return self._used[self.minute(), bucket] > self.limits[bucket]

    def _token(self, request: Request) -> str:
        return request.headers.get("authorization", "").removeprefix("Bearer ")

    def _guarded(self, action: str, work: Callable[[Request], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return await self.answer(request, action, lambda: self._barred(request, action) or work(request))

        return endpoint

    def _barred(self, request: Request, action: str) -> Response | None:
        """The reply of what stands before their application: the limit, then the token, then the account."""
        if self._over_limit(action):
            return _error(429)
        if self._token(request) not in self.tokens:
            return _error(401)
        return _error(403, "Your account has been suspended.") if self.account.suspended else None

    async def _login(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        return await self.answer(request, "login", lambda: self._logged_in(body))

    def _logged_in(self, body: Json) -> Response:
        if self._over_limit("login"):
            return _error(429)
        if (body.get("email"), body.get("password")) != (self.email, self.password):
            return _error(401, "Invalid credentials.")
        if self.account.suspended:
            return _error(403, "Your account has been suspended. Please contact the administrator.")
        device = body.get("device_name", "api-client")
        self.tokens = {token: name for token, name in self.tokens.items() if name != device}
        token = f"{self.requests['login']}|a3bK9xT2mNpQ7rY{self.requests['login']}"
        self.tokens[token] = device
        user = json_of(self._user(""))["data"]
        return _ok({"token": token, "token_type": "Bearer", "user": user}, "Login successful.")

    def _logout(self, request: Request) -> Response:
        del self.tokens[self._token(request)]
        return _ok(None, "Logged out successfully.")

    def _user(self, message: str) -> Response:
        user = {
            "id": 1,
            "name": "John Doe",
            "email": self.email,
            "role": "customer",
            "balance": float(self.account.balance),
        }
        return _ok({**user, "has_api_access": True, "parent_id": None, **self._license(), "is_active": True}, message)

    def _license(self) -> Json:
        status = "active" if self.account.license_active else "inactive"
        return {"license_status": status, "license_expiry": "2026-12-31T23:59:59+00:00"}

    def _profile(self, _: Request) -> Response:
        return _ok({"id": 1, "name": "John Doe", "email": self.email, "credits": 42, **self._license()}, "Profile.")

    def _credits(self, _: Request) -> Response:
        return _ok(
            {"credits": 42, "license_active": self.account.license_active, "license_expiry": None}, "Credit balance."
        )

    def _services(self, _: Request) -> Response:
        return _ok([{**one, "sub_services_count": len(SUB_SERVICES[str(one["slug"])])} for one in SERVICES])

    def _sub_services(self, request: Request) -> Response:
        found = SUB_SERVICES.get(request.path_params["slug"])
        return _ok(found) if found is not None else _error(404, "No query results for model [Service].")

    def _devices(self, request: Request) -> Response:
        brand, sub_service = request.query_params.get("brand_id"), request.query_params.get("sub_service_id")
        wanted = DEVICES_OF.get(int(sub_service), set()) if sub_service else {1, 2}
        brands = {one["id"]: {key: one[key] for key in ("id", "name", "slug")} for one in BRANDS}
        return _ok(
            [
                {**device, "brand": brands[device["brand"]]}
                for device in DEVICES
                if device["id"] in wanted and brand in {None, str(device["brand"])}
            ]
        )

    def _pricing(self, request: Request) -> Response:
        slug, device = request.path_params["slug"], request.query_params.get("device_id")
        price = self.account.price(slug, int(device) if device else None)
        if price is None:
            return _error(404, "No pricing found.")
        return _ok({"sub_service": slug, "sell_price": float(price), "currency": "USD"})

    async def _execute(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        fails = next((fault.kind for fault in self.faults if "execute".startswith(fault.action)), "") == "refunded"
        return await self.answer(
            request, "execute", lambda: self._barred(request, "execute") or self._run(body, fails=fails)
        )

    def _run(self, body: Json, *, fails: bool) -> Response:
        self.account.queues = self.executes == "202 queued"
        try:
            record = self.account.execute(body, fails=fails)
        except Refusal as refusal:
            return _error(refusal.status, refusal.message, **refusal.errors)
        done = {"record_id": record.id, "message": "CPID generated successfully."}
        message = "Service executed successfully."
        product_code, cpu_id, *_ = record.inputs
        if self.executes == "202 queued":
            return _ok({**done, "message": "Queued."}, message, 202)
        if self.executes == "200 with link":
            link = f"/api/v1/records/{record.id}/download"
            data = {"product_code": product_code, "cpu_id": cpu_id, "download_url": link}
            return _ok({**done, "message": message, "data": data})
        text = base64.b64encode(record.data).decode()
        return _ok({**done, "data": {"created_criticaldata": text, "product_code": product_code}}, message, 202)

    def _order(self, request: Request) -> Response:
        record = self.account.asked(request.path_params["id"])
        if record is None:
            return _error(404, "No query results for model [CpidOrder].")
        data = {"created_criticaldata": base64.b64encode(record.data).decode()}
        shown = record.shown() | (data if record.status == "completed" and self.data_in == "record" else {})
        return _ok(shown, "Order retrieved successfully.")

    def _file(self, request: Request, door: str) -> Response:
        record = self.account.records.get(int(request.path_params["id"]))
        # The second path is in a sample only; the first one is documented and works whenever there is data.
        doors = {"record": {"download"}, "download": {"download"}, "link": {"link"}, "nowhere": set[str]()}
        if record is None or record.status != "completed" or door not in doors[self.data_in]:
            return _error(404, "No generated data available for this record.")
        name = f'attachment; filename="{record.inputs[0]}_{record.inputs[2]}.bin"'
        return Response(record.data, media_type="application/octet-stream", headers={"Content-Disposition": name})

    def _history(self, request: Request) -> Response:
        query = request.query_params
        per_page, page = int(query.get("per_page", 20)), int(query.get("page", 1))
        if not 1 <= per_page <= 100:
            return _error(422, per_page=["The per page field must be between 1 and 100."])
        found = [
            one
            for one in sorted(self.account.records.values(), key=lambda one: -one.id)
            if query.get("status", one.status) == one.status
            and query.get("date_from", "") <= one.created_at.astimezone(UTC).date().isoformat()
            and one.created_at.astimezone(UTC).date().isoformat() <= query.get("date_to", "9999")
        ]
        meta = {"current_page": page, "last_page": max(-(-len(found) // per_page), 1), "per_page": per_page}
        rows = [one.shown() for one in found[(page - 1) * per_page : page * per_page]]
        return _ok(rows, "CPID history retrieved successfully.", meta={**meta, "total": len(found)})

    async def _dhru(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        action = form.get("action", "")
        return await self.answer(request, f"dhru:{action}", lambda: self._dhru_reply(action, form))

    def _dhru_reply(self, action: str, form: Mapping[str, str]) -> Response:
        if form.get("apiaccesskey") != self.api_key:
            return _dhru_error("Invalid API key.")
        match action:
            case "accountinfo":
                info = {"credit": float(self.account.balance), "mail": self.email, "currency": "USD"}
                return as_json({"SUCCESS": [{"MESSAGE": "Your Account Info", "AccountInfo": info}]})
            case "imeiservicelist":
                return as_json({"SUCCESS": [{"MESSAGE": "IMEI Service List", "LIST": self._flat_list()}]})
            case "placeimeiorder":
                return self._dhru_place(form.get("parameters", ""))
            case "getimeiorder":
                return self._dhru_status(form.get("parameters", ""))
        return _dhru_error("Invalid action.")

    def _flat_list(self) -> dict[str, Json]:
        return {
            str(one["id"]): {
                "SERVICE_NAME": f"CPID Generation - {one['name']}",
                "GROUP_NAME": "CPID Services",
                "CREDIT": str(self.account.price(str(one["slug"]), None)),
            }
            for one in SUB_SERVICES["cpid"]
        }

    def _dhru_place(self, parameters: str) -> Response:
        """Their own sample has an IMEI with a wrong check digit, so this door looks at the length only."""
        try:
            body = orjson.loads(base64.b64decode(parameters, validate=True))
        except (binascii.Error, ValueError):
            return _dhru_error("Invalid parameters.")
        slug = next((str(one["slug"]) for one in SUB_SERVICES["cpid"] if one["id"] == body.get("ID")), "")
        product_code, cpu_id, imei1, imei2 = (
            str(body.get(name) or "") for name in ("product_code", "cpu_id", "IMEI", "IMEI2")
        )
        if not slug:
            return _dhru_error("Service not found.")
        if not product_code or not cpu_id or len(imei1) != 15:
            return _dhru_error("product_code, cpu_id and IMEI are required.")
        price = self.account.price(slug, None) or Decimal(0)
        if self.account.balance < price:
            return _dhru_error("Insufficient credit.")
        record = self.account.sell(slug, (product_code, cpu_id, imei1, imei2), price)
        return as_json({"SUCCESS": [{"MESSAGE": "Order Confirmed", "REFERENCEID": str(record.id)}]})

    def _dhru_status(self, parameters: str) -> Response:
        try:
            name = ET.fromstring(parameters).findtext("ID") or ""
        except ET.ParseError:
            return _dhru_error("Invalid parameters.")
        record = self.account.asked(name)
        if record is None:
            return _dhru_error("Order not found.")
        status, code = {"completed": ("4", "Available"), "failed": ("3", "Failed")}.get(record.status, ("1", ""))
        return as_json({"SUCCESS": [{"STATUS": status, "CODE": code}]})
