"""GSM Theme, GSMHub and GSM Fusion: members of the DHRU family with calls and words of their own.

GSM Theme follows its published controller (five actions, parameters in raw XML only, 400 and 404 with JSON); GSMHub is
as DHRU's panel module speaks to it; GSM Fusion follows its XML documentation, status 4 being *in process*.
"""

import base64
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.simulator.server import read_form
from tests.fakes.faults import Fault, FaultyApp, Spoil, as_json, blanked, json_of

FIRST_ORDER = 9001
START_CREDIT = 1000

Row = dict[str, Any]


class Refusal(Exception):  # noqa: N818  an answer, not a failure
    """A no in the supplier's words."""

    def __init__(self, text: str, status: int = 200) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class _Account(FaultyApp):
    """An account with two services, IMEI service 1 at 1.50 and server service 1 at 3; the numbers are the same."""

    username = "reseller@example.com"
    api_key = "FAKE-KEY-OF-THE-TESTS"
    dialect: ClassVar[str]
    instead = frozenset({"refuse", "no_funds", "throttled"})
    refusals: ClassVar[Mapping[str, str]] = {
        "no_funds": "Not enough balance!",
        "throttled": "You are calling this API too frequently! Please try after 4 minutes.",
    }

    def __init__(self, *, pending_reads: int | None = None) -> None:
        """After so many readings of its status an order is done; None: when ``finish`` says so."""
        super().__init__()
        self.orders: list[Row] = []
        self.pending_reads = pending_reads

    def config(self, base_url: str) -> dict[str, object]:
        """The config of a DHRU connector for this fake."""
        return {"base_url": base_url, "username": self.username, "api_key": self.api_key, "dialect": self.dialect}

    def counters(self) -> dict[str, Any]:
        """What was accepted; two orders for the same service and device are one bought twice."""
        wishes = [(order["kind"], order["service"], order["device"]) for order in self.orders if order["device"]]
        return {"accepted": len(self.orders), "bought_twice": len(wishes) - len(set(wishes))}

    def take(self, kind: str, service: str, device: str, **facts: object) -> Row:
        """Keep an order; each kind counts from the same number."""
        number = FIRST_ORDER + sum(order["kind"] == kind for order in self.orders)
        order = {"kind": kind, "service": service, "device": device, "id": str(number), "state": "waiting", **facts}
        self.orders.append(order)
        return order

    def find(self, kind: str, number: str) -> Row | None:
        """The order of this kind and number, whose status somebody reads."""
        order = next((order for order in self.orders if (order["kind"], order["id"]) == (kind, number)), None)
        if order is not None and self.pending_reads is not None and order["state"] in {"waiting", "working"}:
            order["reads"] = order.get("reads", 0) + 1
            order["state"] = "done" if order["reads"] > self.pending_reads else "working"
        return order

    def finish(self, state: str = "done", kind: str | None = None) -> None:
        """Bring every order (of a kind) into a state: waiting, working, done, rejected, or one nobody documented."""
        for order in self.orders:
            if kind in {None, order["kind"]}:
                order["state"] = state


def _json_faults(refusals: Mapping[str, str]) -> dict[str, Spoil]:
    def refusing(text: str) -> Spoil:
        return lambda fault, _: as_json({"ERROR": [{"MESSAGE": text or fault.text}], "apiversion": "1"})

    return {
        "no_id": lambda _, good: as_json(blanked(json_of(good), {"REFERENCEID"})),
        "refuse": refusing(""),
        **{kind: refusing(text) for kind, text in refusals.items()},
    }


def _tags(text: str) -> dict[str, str]:
    """The parameters, which must be XML."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        raise Refusal("Parameter required.", 400) from None
    return {child.tag: child.text or "" for child in root}


class FakeGsmTheme(_Account):
    """GSM Theme's own controller, 2023.21."""

    dialect = "gsmtheme"
    own_faults: ClassVar[Mapping[str, Spoil]] = _json_faults(_Account.refusals)
    states: ClassVar[Mapping[str, int]] = {"waiting": 0, "working": 1, "rejected": 3, "done": 4}

    def routes(self) -> Iterable[BaseRoute]:
        """The one endpoint."""
        return [Route("/api/index.php", self._endpoint, methods=["GET", "POST"])]

    async def _endpoint(self, request: Request) -> Response:
        form = await read_form(request)
        return await self.answer(request, form.get("action", ""), lambda: self._reply(form))

    def _reply(self, form: Mapping[str, str]) -> Response:
        try:
            if (form.get("username"), form.get("apiaccesskey")) != (self.username, self.api_key):
                raise Refusal("Authentication Failed")
            match form.get("action"):
                case "accountinfo":
                    body: Row = {"SUCCESS": [{"MESSAGE": "Your Account Info", "AccountInfo": self._credit()}]}
                case "imeiservicelist":
                    body = {"SUCCESS": [{"MESSAGE": "Service List", "LIST": _theme_list()}]}
                case "placeimeiorder":
                    body = self._place(_tags(form.get("parameters", "")))
                case "getimeiorder":
                    body = self._status(_tags(form.get("parameters", ""))["ID"])
                case "getimeiorderbulk":
                    body = self._many(_tags(form.get("parameters", ""))["ID"].split(","))
                case _:
                    raise Refusal("Invalid Action")
        except Refusal as refusal:
            return as_json({"ERROR": [{"MESSAGE": refusal.text}], "apiversion": "2023.21"}, refusal.status)
        return as_json({**body, "apiversion": "2023.21"})

    def _credit(self) -> Row:
        return {"credit": "997.5 USD", "creditraw": 997.5, "mail": self.username, "currency": "USD"}

    def _place(self, order: Mapping[str, str]) -> Row:
        if order.get("ID") != "1":
            raise Refusal("Service not found or inactive.", 404)
        if not order.get("IMEI"):
            raise Refusal("IMEI field is required.", 400)
        fields = json.loads(base64.b64decode(order["CUSTOMFIELD"], validate=True)) if order.get("CUSTOMFIELD") else {}
        taken = self.take("imei", "1", order["IMEI"], fields=fields)
        return {"SUCCESS": [{"MESSAGE": "Order received", "REFERENCEID": int(taken["id"])}]}

    def _status(self, number: str) -> Row:
        order = self.find("imei", number)
        if order is None:
            raise Refusal("Order ID not found!", 404)
        return {"SUCCESS": [self._told(order)]}

    def _many(self, numbers: list[str]) -> Row:
        body: Row = {"ID": ",".join(numbers)}
        for number in numbers:
            if order := self.find("imei", number):
                body.setdefault("SUCCESS", {})[number] = {**self._told(order), "COMMENTS": ""}
            else:
                body.setdefault("ERROR", []).append({"MESSAGE": f"Order ID {number} not found!"})
        return body

    def _told(self, order: Row) -> Row:
        code = f"Result of {order['device']}" if order["state"] == "done" else ""
        return {"STATUS": self.states.get(order["state"], -1), "CODE": code or None}


def _theme_list() -> Row:
    service = {"SERVICEID": 1, "SERVICETYPE": "IMEI", "SERVER": 0, "QNT": 0, "MINQNT": None, "MAXQNT": None} | {
        "SERVICENAME": "Carrier check",
        "CREDIT": 1.5,
        "TIME": "Instant",
        "INFO": "",
    }
    return {"Checks": {"GROUPNAME": "Checks", "GROUPTYPE": "IMEI", "SERVICES": {"1": service}}}


class FakeGsmHub(_Account):
    """A GSMHub site: IMEI services as DHRU has them, server services with calls of their own."""

    dialect = "gsmhub"
    own_faults: ClassVar[Mapping[str, Spoil]] = _json_faults(_Account.refusals)

    def routes(self) -> Iterable[BaseRoute]:
        """Such sites answer at this path."""
        return [Route("/public/api.php", self._endpoint, methods=["POST"])]

    def config(self, base_url: str) -> dict[str, object]:
        """The endpoint as such a site prints it."""
        return super().config(f"{base_url}/public/api.php")

    async def _endpoint(self, request: Request) -> Response:
        form = await read_form(request)
        return await self.answer(request, form.get("action", ""), lambda: self._reply(form))

    def _reply(self, form: Mapping[str, str]) -> Response:
        always = {"apiversion": "3.1", "gsmhubsite": True}
        try:
            if (form.get("username"), form.get("apiaccesskey")) != (self.username, self.api_key):
                raise Refusal("Authentication Failed")
            body = self._answer(form.get("action", ""), form.get("parameters", ""))
        except Refusal as refusal:
            return as_json({"ERROR": [{"MESSAGE": refusal.text}], **always})
        return as_json({"SUCCESS": [body], **always})

    def _answer(self, action: str, parameters: str) -> Row:
        info = {"credit": "500.00", "creditraw": "500.00", "mail": self.username, "currency": "USD"}
        fixed: dict[str, Row] = {
            "accountinfo": {"message": "Your Accout Info", "AccoutInfo": info},
            "imeiservicelist": {"MESSAGE": "IMEI Service List", "LIST": _theme_list()},
            "serverservicelist": {"LIST": HUB_SERVICES},
            "serverservicetypelist": {"LIST": [{"id": 7, "tool_id": 2, "name": "12 months", "price": "30.00"}]},
        }
        match action:
            case _ if action in fixed:
                return fixed[action]
            case "placeimeiorder":
                order = _tags(parameters)
                return self._received(self.take("imei", order["ID"], order.get("IMEI", "")))
            case "placeserverorder":
                return self._received(self._server_order(_tags(parameters)))
            case "getimeiorder" | "getserverorder":
                kind = "server" if action == "getserverorder" else "imei"
                return self._told(self.find(kind, _tags(parameters)["ID"]))
            case _:
                raise Refusal("Command Not Found")

    def _server_order(self, order: Mapping[str, str]) -> Row:
        inputs = json.loads(order.get("REQUIRED") or "{}")
        wanted = {"1": {"EMAIL", "USERTYPE"}, "2": {"USERNAME", "service_type_id"}}.get(order["ID"])
        if wanted is None:
            raise Refusal("Service not found or inactive.")
        if missing := wanted - inputs.keys():
            raise Refusal(f"{min(missing)} is required.")
        return self.take("server", order["ID"], "", inputs=inputs, quantity=int(order["QUANTITY"]))

    def _received(self, order: Row) -> Row:
        return {"MESSAGE": "Order received", "REFERENCEID": order["id"]}

    def _told(self, order: Row | None) -> Row:
        if order is None:
            raise Refusal("Order ID not found!")
        status = {"waiting": 0, "working": 1, "rejected": 3, "done": 4}.get(order["state"], 7)
        return {"STATUS": status, "CODE": f"Result of {order['kind']} {order['id']}" if status in {3, 4} else ""}


HUB_SERVICES: Row = {
    "Activations": {
        "GROUPNAME": "Activations",
        "SERVICES": {
            "1": {
                "SERVICEID": 1,
                "SERVICENAME": "Tool &amp; box credits",
                "CREDIT": "3.00",
                "TIME": "1-24 hours",
                "INFO": "",
                "REQUIRED": "EMAIL|USERTYPE",
                "ADDITIONAL_NVP": 'a:1:{s:13:"hide_quantity";i:0;}',
            },
            "2": {
                "SERVICEID": 2,
                "SERVICENAME": "Licence",
                "CREDIT": "0",
                "TIME": "Instant",
                "INFO": "",
                "REQUIRED": "USERNAME",
                "ADDITIONAL_NVP": 'a:1:{s:13:"hide_quantity";i:1;}',
            },
        },
    }
}


class FakeGsmFusion(_Account):
    """A GSM Fusion site."""

    dialect = "gsmfusion"
    refusals: ClassVar[Mapping[str, str]] = {
        "no_funds": "Credit has been finished!",
        "throttled": "Website is in maintenance, please try again later",
    }
    own_faults: ClassVar[Mapping[str, Spoil]] = {
        "no_id": lambda _, good: _xml(re.sub(r"<id>\d+</id>", "<id></id>", bytes(good.body).decode())),
        "refuse": lambda fault, _: _xml(f"<error>{escape(fault.text)}</error>"),
        "no_funds": lambda _, __: _xml("<error>Credit has been finished!</error>"),
        "throttled": lambda _, __: _xml("<error>Website is in maintenance, please try again later</error>"),
        # The wrapper of a result that some sites leave out.
        "bare": lambda _, good: _xml(bytes(good.body).decode().replace("<result>", "").replace("</result>", "")),
    }
    states: ClassVar[Mapping[str, tuple[int, str]]] = {
        "waiting": (1, "Pending"),
        "done": (2, "Completed"),
        "rejected": (3, "Rejected"),
        "working": (4, "In Process"),
    }

    def routes(self) -> Iterable[BaseRoute]:
        """The one endpoint."""
        return [Route("/gsmfusion_api/index.php", self._endpoint, methods=["GET", "POST"])]

    async def _endpoint(self, request: Request) -> Response:
        form = await read_form(request)
        return await self.answer(request, form.get("action", ""), lambda: self._reply(form))

    def _reply(self, form: Mapping[str, str]) -> Response:
        try:
            if form.get("userId") != self.username:
                raise Refusal("Invalid User!")
            if form.get("apiKey") != self.api_key:
                raise Refusal("Invalid API Key!")
            return _xml(self._answer(form.get("action", ""), form))
        except Refusal as refusal:
            return _xml(f"<error>{escape(refusal.text)}</error>")

    def _answer(self, action: str, form: Mapping[str, str]) -> str:
        fixed = {
            "accountinfo": "<Client><ClientCredits>$ 150.00 USD</ClientCredits></Client>",
            "imeiservices": _packages(("1", "Carrier check", "1.5", "")),
            "serverservices": _packages(("1", "Activation", "3", FUSION_FIELD)),
        }
        match action:
            case _ if action in fixed:
                return fixed[action]
            case "placeorder":
                return self._placed("imeis", self._taken("imei", form.get("networkId", ""), form.get("imei", "")))
            case "placeserverorder":
                if not form.get("User_name"):
                    raise Refusal("User name is required")
                return self._placed("order", self._taken("server", form.get("serviceId", ""), ""))
            case "getimeis":
                numbers = form.get("orderIds", "").split(",")
                found = [order for number in numbers if (order := self.find("imei", number))]
                return "<result>" + "".join(f"<imeis>{self._told(order)}</imeis>" for order in found) + "</result>"
            case "getserverorder":
                if (order := self.find("server", form.get("orderId", ""))) is None:
                    raise Refusal("Invalid Order ID")
                return f"<result><serverorder>{self._told(order, with_id=False)}</serverorder></result>"
            case _:
                raise Refusal("Invalid Action")

    def _taken(self, kind: str, service: str, device: str) -> Row:
        if service != "1":
            raise Refusal("Invalid value of Network Id!")
        if kind == "imei" and len(device) != 15:
            raise Refusal(f"Invalid IMEI: {device}")
        return self.take(kind, service, device)

    def _placed(self, name: str, order: Row) -> str:
        device = f"<imei>{order['device']}</imei>" if order["device"] else ""
        return f"<result><{name}><id>{order['id']}</id>{device}<status>Pending</status></{name}></result>"

    def _told(self, order: Row, *, with_id: bool = True) -> str:
        number, word = self.states.get(order["state"], (5, "Verified"))
        code = f"Result of {order['kind']} {order['id']}" if order["state"] in {"done", "rejected"} else ""
        own = f"<id>{order['id']}</id>" if with_id else ""
        return f"{own}<package>x</package><statusId>{number}</statusId><status>{word}</status><code>{code}</code>"


FUSION_FIELD = (
    "<CustomField><FieldLabel>User name</FieldLabel><FieldName>User name</FieldName><UseAsQuantity>No</UseAsQuantity>"
    "<UseAsIMEI>No</UseAsIMEI><Mandatory>Yes</Mandatory><FieldType>Text Box</FieldType><FieldInfo>-</FieldInfo>"
    "<FieldOptions>-</FieldOptions></CustomField>"
)


def _packages(*rows: tuple[str, str, str, str]) -> str:
    return (
        "<Packages>"
        + "".join(
            f"<Package><CategoryId>1</CategoryId><Category>Theirs</Category><PackageId>{number}</PackageId>"
            f"<PackageTitle>{title}</PackageTitle><PackagePrice>{price}</PackagePrice>"
            f"<PackagePriceWithCurrency>USD {price}</PackagePriceWithCurrency><TimeTaken>1-24 hours</TimeTaken>"
            f"<MustRead></MustRead><CustomFields>{fields}</CustomFields></Package>"
            for number, title, price, fields in rows
        )
        + "</Packages>"
    )


def _xml(body: str) -> Response:
    prolog = '<?xml version="1.0" encoding="utf-8"?>'
    return Response(body if body.startswith("<?xml") else prolog + body, media_type="application/xml")


__all__ = ["FakeGsmFusion", "FakeGsmHub", "FakeGsmTheme", "Fault"]
