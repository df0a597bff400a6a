"""A DHRU Fusion Pro reseller API, as its maker's published examples and its clients describe it, with faults on top.

Both ways of asking for an order and both forms of ``replay`` were seen, and are switched by attributes; so are the two
forms of the reply to an order, whose rows lie in one list or in one list for each product.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tests.fakes.faults import Fault, FaultyApp, Spoil, as_json, blanked, json_of, page, serving_fake
from tests.fakes.purchases import Purchases

__all__ = ["FakeDhruPro", "Fault", "serving_fake"]

CATEGORIES = {"C163": {"name": "Info checks"}, "C1": {"name": "Gaming Cards"}, "C2": {"name": "Tools"}}

PRODUCTS: dict[str, dict[str, Any]] = {
    # The blank at the end of the name is theirs; without it the order is refused.
    "688": {
        "name": "iPhone full check",
        "type": "imei",
        "cids": ["C163"],
        "price": 0.031,
        "time": "Instant",
        "fields": [{"type": "text", "name": "IMEI or Serial Number ", "min": "8", "max": "15", "required": True}],
    },
    "aa12f456-7890-4abc-82fa-127890abcd12": {
        "name": "PlayStation Store Gift Card - $50",
        "type": "digital",
        "cids": ["C1", "C2"],
        "price": 45.00,
        "fields": [
            {"type": "text", "name": "Recipient Name", "min": "3", "max": "50", "required": True},
            {"type": "text", "name": "Message", "min": "0", "max": "200", "required": False},
        ],
    },
    "cc78h910-1234-4ghi-82dc-789012abcd56": {
        "name": "Tool credits",
        "type": "server",
        "cids": ["C2"],
        "price": "1.25",
        "fields": [
            {"type": "text", "name": "Username", "required": True},
            {"type": "text", "name": "Quantity", "required": True},
        ],
    },
    "1955": {
        "name": "Unlock without a price",
        "type": "imei",
        "cids": [],
        "price": None,
        "fields": [{"type": "text", "name": "IMEI", "required": True}],
    },
}

RESULT = 'Model: IPHONE 17 PRO MAX<br>Find My: <span style="color:green">OFF</span><br>'
REASON = "Not found in the database"


def _good(data: object, message: str = "") -> Response:
    return as_json({"status": "success", **({"message": message} if message else {}), "code": 200, "data": data})


def _error(message: str, code: int = 200) -> Response:
    return as_json({"status": "error", "message": message, "code": code, "data": None}, code)


def _other_list(fault: Fault, good: Response) -> Response:
    body = json_of(good)
    products: dict[str, Any] = body["data"]["products"]
    if fault.kind == "list_halved":
        products = dict(list(products.items())[::2])
    elif fault.kind == "price":
        products = {name: {**row, "price": row["price"] and float(row["price"]) * 2} for name, row in products.items()}
    # PHP writes an empty object as a list.
    shown = [] if fault.kind == "list_empty" else products
    return as_json({**body, "data": {**body["data"], "products": shown}})


class FakeDhruPro(FaultyApp):
    """The fake as an ASGI app; an order is new, then in process, then ended, one step for each time it is asked for."""

    token = "fake-token-of-the-tests"
    root = "/api/reseller/v1"
    instead = frozenset({"refuse", "invalid", "no_funds", "throttled", "wrong_token", "classic", "odd_status"})
    own_faults: ClassVar[Mapping[str, Spoil]] = {
        # An error with `text` inside a 200 and by a code, and what it may be about.
        "refuse": lambda fault, _: _error(fault.text),
        "invalid": lambda fault, _: _error(fault.text, 422),
        "no_funds": lambda _, __: _error("Insufficient balance"),
        "throttled": lambda _, __: as_json({"message": "Too Many Attempts."}, 429),
        "wrong_token": lambda _, __: as_json({"message": "Unauthenticated."}, 401),
        # A host that has only the classic API.
        "classic": lambda _, __: page("404 Not Found", 404),
        "odd_status": lambda _, __: _good({"status": "on-hold", "quantity": 1}),
        "no_id": lambda _, good: as_json(blanked(json_of(good), {"order_uuid"})),
        "other_reference": lambda _, good: Response(
            bytes(good.body).replace(b'"41"', b'"40"'), media_type=good.media_type
        ),
        "both": lambda fault, good: as_json({**json_of(good), "status": "error", "message": fault.text}),
        "price": _other_list,
        "list_empty": _other_list,
        "list_halved": _other_list,
    }

    def __init__(self) -> None:
        super().__init__()
        self.balance = 125.5
        self.lookup = "query"
        self.nested = True
        self.encoded = False
        self.rejected: set[str] = set()
        """Whatever is typed into a field and stands here makes the order end as rejected."""
        self.orders: dict[str, dict[str, Any]] = {}
        self.purchases = Purchases()

    def config(self, base_url: str) -> dict[str, object]:
        """The config of a DHRU Fusion Pro connector for this fake."""
        return {"base_url": base_url, "token": self.token}

    def counters(self) -> dict[str, Any]:
        """What was really ordered, by product and by everything that was typed into its fields."""
        return self.purchases.stats()

    def routes(self) -> Iterable[BaseRoute]:
        """Its four calls, and the other way of asking for an order."""
        return [
            self._route("GET", "account", "account", self._account),
            self._route("GET", "products", "products", self._products),
            self._route("POST", "order", "place", self._place),
            self._route("GET", "order", "status", self._status),
            self._route("GET", "order/{order_uuid}", "status", self._status),
        ]

    def _route(self, verb: str, path: str, action: str, work: Callable[[Request, bytes], Response]) -> Route:
        async def endpoint(request: Request) -> Response:
            body = await request.body()

            def answer() -> Response:
                if request.headers.get("authorization") != f"Bearer {self.token}":
                    return as_json({"message": "Unauthenticated."}, 401)
                return work(request, body)

            return await self.answer(request, action, answer)

        return Route(f"{self.root}/{path}", endpoint, methods=[verb])

    def _account(self, _: Request, __: bytes) -> Response:
        return _good({"currency": "USD", "balance": f"{self.balance:.3f}", "name": "Us", "email": "us@example.com"})

    def _products(self, _: Request, __: bytes) -> Response:
        return _good({"currency": "USD", "categories": CATEGORIES, "products": PRODUCTS})

    def _place(self, _: Request, body: bytes) -> Response:
        try:
            wishes = orjson.loads(body)
            rows = [(wish["product_uuid"], fields) for wish in wishes for fields in wish["fields"]]
        except (ValueError, KeyError, TypeError):
            return _error("The order is not a list of products", 400)
        for uuid, fields in rows:
            product = PRODUCTS.get(uuid)
            if product is None:
                return _error("Product not found", 404)
            missing = [row["name"] for row in product["fields"] if row["required"] and not fields.get(row["name"])]
            if missing:
                return _error(f"The {missing[0]} field is required.", 422)
            if self.balance < float(product["price"] or 0):
                return _error("Insufficient balance")
        placed = [self._order(uuid, fields) for uuid, fields in rows]
        return _good([placed] if self.nested else placed, "Order placed")

    def _order(self, uuid: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        inputs = tuple(sorted((key, str(value)) for key, value in fields.items() if key != "reference_id"))
        amount = float(PRODUCTS[uuid]["price"] or 0) * int(fields.get("Quantity", 1))
        self.purchases.add(uuid, inputs)
        self.balance -= amount
        name = f"E1211101444522{len(self.orders):02d}"
        ends = "reject" if self.rejected & {str(value) for value in fields.values()} else "success"
        self.orders[name] = {"quantity": int(fields.get("Quantity", 1)), "steps": ["new", "in-process", ends]}
        reference = fields.get("reference_id", "")
        return {"order_uuid": name, "amount": amount, "currency_code": "USD", "reference_id": reference}

    def _status(self, request: Request, _: bytes) -> Response:
        asked = request.path_params if self.lookup == "path" else request.query_params
        name = asked.get("order_uuid")
        if name is None:
            return _error("The order_uuid field is required.", 400)
        order = self.orders.get(name)
        if order is None:
            return _error("Order not found", 404)
        steps: list[str] = order["steps"]
        status = steps.pop(0) if len(steps) > 1 else steps[0]
        data = {"quantity": order["quantity"], "status": status, "date": "2025-04-03 11:11:12"}
        if status in {"success", "reject"}:
            text = RESULT if status == "success" else REASON
            data["replay"] = base64.b64encode(text.encode()).decode() if self.encoded else text
            data["date_completed"] = "2025-04-03 11:25:35"
        return _good(data, "Order Details")
