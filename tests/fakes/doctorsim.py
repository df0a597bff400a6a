"""doctorSIM's unlocking API v1, as its document describes it, with faults on top as ``fakes.faults`` says.

Replies are as dirty as theirs: ``code`` is a quoted string and missing in three methods, descriptions hold HTML, an
empty list is ``[]`` where an object was due, ``ok_sent`` is "true" in one method and "1" in another, and an order is
available one status call before its instructions are. Time is ``clock``, which a test may turn, for their limit of 500
requests a minute too (``per_minute``, off by default): beyond it everything is answered by 409.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tests.fakes.faults import Fault, FaultyApp, Spoil, as_json, blanked, json_of, serving_fake
from tests.fakes.purchases import Purchases

__all__ = ["FakeDoctorSim", "Fault", "serving_fake"]

CANCEL_SECONDS = 600
SANDBOX_AVAILABLE = "123456789876543"
SANDBOX_NOT_AVAILABLE = "355710060480006"
CHECK_BLACK = "353047098598802"
CHECK_WHITE = "359405085972766"
CHECK_UNKNOWN = "123456789876543"
CHECK_ERROR = "123456789987654"

SUFFIXES = {
    "sn": r"SN[A-Z0-9]{4,5}-[A-Z0-9]{5,7}",
    "prd": r"PRD[0-9]{8}",
    "pin": r"PIN[A-Z0-9]{8}",
    "mep": r"MEP-[0-9]{5}-[0-9]{3}",
    # "7 to 11 integers" says the text, and "SROXM66NA40" its sample.
    "sro": r"SROX[A-Z0-9]{7,11}",
}

HOWTO = """IMEI number: {imei}
Model: Nokia 5230
Network Provider: Movistar

To unlock your phone please follow these simple steps:

1. Insert an accepted SIM card (from network provider Movistar) and turn on the phone.

2. Enter your unlock code: #pw+123456+1#

"Phone Restriction Off" ---> The phone is now unlocked and will restart."""

COUNTRIES = {"34": "Spain", "1146": "Argentina", "1932": "Canada"}
NETWORKS = {"34": {"1": "Movistar", "2": "Vodafone", "3": "Orange"}, "1146": {"5815": "Personal"}}
BRANDS = {"1": "Alcatel", "29": "iPhone", "77": "Siemens"}
DEVICES: dict[str, dict[str, str]] = {"1": {"1697": "OT-255"}, "29": {"15910": "iPhone 6"}, "77": {}}


@dataclass
class Ticket:
    """One accepted order."""

    device: str
    network: str
    imei: str
    placed_at: float
    sandbox: bool
    status: str = "open"
    sent: bool = False


def _tool(id_tool: str, name: str, price: float, tool_type: str = "imei", **flags: str) -> dict[str, Any]:
    return {
        "name": name,
        "desc": "<p>Our Standard Service scans <strong>LOCAL</strong> databases.</p>\n<p>Full refund if not.</p>",
        "service_name": "Standard Service",
        "service_desc": "Your low-cost solution. Success rate: 41%.",
        "guaranteed_time": {"min": "1", "max": "6", "type": "days"},
        "average_time": "2 days, 8 hours",
        **dict.fromkeys(SUFFIXES, "false"),
        **flags,
        "id_tool": id_tool,
        "success_ratio": "0.72",
        "tool_type": tool_type,
        "custom": "",
        "price": price,
    }


TOOLS: dict[str, list[dict[str, Any]]] = {
    "15910/3": [_tool("452787", "iPhone - Orange Spain Standard Service", 24.95)],
    "1697/3": [
        _tool("500", "Alcatel - KBH", 3.5, sn="true"),
        _tool("501", "Alcatel - SRO", 4.25, sro="true"),
        _tool("502", "BlackBerry - PRD", 2.0, prd="true"),
        _tool("503", "BlackBerry - MEP", 2.5, mep="true"),
        _tool("504", "Any - PIN", 1.1, pin="true"),
        _tool("505", "Alcatel - by cable", 9.0, tool_type="usb"),
    ],
}


def _reply(res: object, *, info: str = "", status: str = "OK", code: int = 200, coded: bool = True) -> Response:
    body = {"status": status, "info": info, "res": res}
    return as_json({"code": str(code), **body} if coded else body, code)


def _error(info: str, code: int = 200, status: str = "API_ERROR") -> Response:
    return _reply([], info=info, status=status, code=code)


def _other_tools(fault: Fault, good: Response) -> Response:
    body = json_of(good)
    tools = body["res"]["tools"]
    if fault.kind == "list_empty":
        tools = []
    elif fault.kind == "list_halved":
        tools = tools[: len(tools) // 2]
    else:
        tools = [{**tool, "price": tool["price"] * 2} for tool in tools]
    return as_json({**body, "res": {"tools": tools}})


def _as_printed(_: Fault, good: Response) -> Response:
    """As their document prints replies: trailing commas, line breaks inside texts, one brace too many at the end."""
    text = orjson.dumps(json_of(good), option=orjson.OPT_INDENT_2).decode()
    text = re.sub(r"\n(\s*[}\]])", r",\n\1", text).replace("\\n", "\n")
    return Response(text + "\n}", media_type="application/json")


class FakeDoctorSim(FaultyApp):
    """The fake as an ASGI app; one pair of keys is for production, one for the sandbox, where some IMEIs are magic."""

    key = "fake-key"
    secret = "fake-secret-of-the-tests"
    sandbox_key = "fake-sandbox-key"
    sandbox_secret = "fake-sandbox-secret-of-the-tests"
    instead = frozenset(
        {
            "throttled",
            "throttled_bare",
            "throttled_body",
            "wrong_access",
            "refuse",
            "bad_request",
            "not_found",
            "no_funds",
            "order_error",
        }
    )
    own_faults: ClassVar[Mapping[str, Spoil]] = {
        # The text says 409, the table of codes 429, and a third place names the body's status.
        "throttled": lambda fault, _: _error(
            "", fault.status if fault.status == 429 else 409, status="TOO_MANY_REQUESTS"
        ),
        "throttled_bare": lambda fault, _: Response(status_code=fault.status if fault.status == 429 else 409),
        "throttled_body": lambda _, __: _reply([], status="TOO_MANY_REQUESTS"),
        "wrong_access": lambda _, __: _error("", 401, status="WRONG_ACCESS"),
        "refuse": lambda fault, _: _error(fault.text),
        "bad_request": lambda fault, _: _error(fault.text, 400),
        "not_found": lambda fault, _: _error(fault.text, 404),
        # Their wording is nowhere told.
        "no_funds": lambda _, __: _error("You do not have enough credits"),
        "order_error": lambda _, __: _reply({"1509403": {"status": "error", "ok_sent": "false"}}),
        "no_id": lambda _, good: as_json(blanked(json_of(good), {"id_ticket"})),
        "both": lambda fault, good: as_json({**json_of(good), "status": "API_ERROR", "info": fault.text}),
        "as_printed": _as_printed,
        "price": _other_tools,
        "list_empty": _other_tools,
        "list_halved": _other_tools,
    }

    def __init__(self, *, work_seconds: float = 0.0) -> None:
        super().__init__()
        self.work_seconds = work_seconds
        self.hash: str | None = None
        """What production wants behind the IMEI of a check; nobody outside knows how it is made."""
        self.clock: Callable[[], float] = time.time
        self.per_minute: int | None = None
        self.turned_away = 0
        self._served: deque[float] = deque()
        self.countries, self.networks, self.brands, self.devices = COUNTRIES, NETWORKS, BRANDS, DEVICES
        self.tickets: dict[str, Ticket] = {}
        self.purchases = Purchases()

    def config(self, base_url: str, *, sandbox: bool = False) -> dict[str, object]:
        """The config of a doctorSIM connector for this fake."""
        key, secret = (self.sandbox_key, self.sandbox_secret) if sandbox else (self.key, self.secret)
        return {"base_url": base_url, "key": key, "secret": secret, "pairs": list(TOOLS)}

    def counters(self) -> dict[str, Any]:
        """What was ordered in production, by device, network, tool and the IMEI with what was appended."""
        return {**self.purchases.stats(), "tickets": {name: one.status for name, one in self.tickets.items()}}

    def routes(self) -> Iterable[BaseRoute]:
        """One route for each of their methods; another verb is answered by 405 in their format."""
        works: dict[str, tuple[str, Callable[[Request, bytes], Response]]] = {
            "/countries": ("GET", lambda *_: _reply(self.countries)),
            "/networks": ("GET", lambda *_: _reply(self.networks)),
            "/networks/{country}": ("GET", self._networks_of),
            "/brands": (
                "GET",
                lambda *_: _reply({name: {"brand": one, "desc": ""} for name, one in self.brands.items()}),
            ),
            "/devices/{brand}": ("GET", self._devices_of),
            "/tools/{device}/{network}": ("GET", _tools),
            "/create_order/{device}/{network}/{imei}/{tool}": ("POST", self._create),
            "/check_order_status/{ticket}": ("GET", self._status),
            "/update_order/{ticket}": ("POST", self._update),
            "/cancel_order/{ticket}": ("DELETE", self._cancel),
            "/retrieve_order_instructions/{ticket}": ("GET", self._howto),
            "/imeicheck/{imei}": ("POST", self._imeicheck),
            "/imeicheck/{imei}/{hash:path}": ("POST", self._imeicheck),
        }
        return [self._route(path, verb, work) for path, (verb, work) in works.items()]

    def _route(self, path: str, verb: str, work: Callable[[Request, bytes], Response]) -> Route:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            given = (request.headers.get("DSIM_KEY"), request.headers.get("DSIM_SECRET"))

            def answer() -> Response:
                if not self._may_pass():
                    return _error("", 409, status="TOO_MANY_REQUESTS")
                if given not in {(self.key, self.secret), (self.sandbox_key, self.sandbox_secret)}:
                    return _error("", 401, status="WRONG_ACCESS")
                return work(request, body) if request.method == verb else _error("Method not allowed", 405)

            return await self.answer(request, path.split("/")[1], answer)

        return Route(path, endpoint, methods=["GET", "POST", "DELETE"])

    def _may_pass(self) -> bool:
        """Whether this request is one of the minute's; counts it if it is."""
        if self.per_minute is None:
            return True
        while self._served and self._served[0] <= self.clock() - 60:
            self._served.popleft()
        if len(self._served) >= self.per_minute:
            self.turned_away += 1
            return False
        self._served.append(self.clock())
        return True

    def _networks_of(self, request: Request, _: bytes) -> Response:
        country = request.path_params["country"]
        return _reply({country: self.networks.get(country, [])})

    def _devices_of(self, request: Request, _: bytes) -> Response:
        brand = request.path_params["brand"]
        image = "https://img1.doctorsim.com/img/term/x.png"
        rows = {
            name: {"name": text, "img": image, "desc": f"<p>The<strong> {text}</strong> is new</p>"}
            for name, text in self.devices.get(brand, {}).items()
        }
        return _reply({brand: rows} if rows else [])

    def _create(self, request: Request, _: bytes) -> Response:
        path = request.path_params
        pair = f"{path['device']}/{path['network']}"
        tool = next((tool for tool in TOOLS.get(pair, []) if tool["id_tool"] == path["tool"]), None)
        if tool is None:
            return _error("The tool does not exist for this device and network")
        wanted = "".join(pattern for flag, pattern in SUFFIXES.items() if tool[flag] == "true")
        if not re.fullmatch(rf"[0-9]{{15}}{wanted}", path["imei"]):
            return _error("The imei is not valid for this tool", 400)
        sandbox = self._in_sandbox(request)
        if not sandbox:
            self.purchases.add(f"{pair}/{path['tool']}", path["imei"])
        name = str(1509402 + len(self.tickets) + 1)
        self.tickets[name] = Ticket(path["device"], path["network"], path["imei"], self.clock(), sandbox)
        return _reply({"id_ticket": name})

    def _in_sandbox(self, request: Request) -> bool:
        return request.headers.get("DSIM_KEY") == self.sandbox_key

    def _ticket(self, request: Request) -> tuple[str, Ticket] | None:
        name = request.path_params["ticket"]
        ticket = self.tickets.get(name)
        if ticket is not None and ticket.status in {"open", "pending"}:
            self._work(ticket, self.clock() - ticket.placed_at)
        return None if ticket is None else (name, ticket)

    def _work(self, ticket: Ticket, seconds: float) -> None:
        if ticket.sandbox and ticket.imei.startswith((SANDBOX_AVAILABLE, SANDBOX_NOT_AVAILABLE)):
            ticket.status = "available" if ticket.imei.startswith(SANDBOX_AVAILABLE) else "notavailable"
        elif seconds >= self.work_seconds:
            ticket.status = "available"
        elif seconds >= self.work_seconds / 2:
            ticket.status = "pending"

    def _status(self, request: Request, _: bytes) -> Response:
        found = self._ticket(request)
        if found is None:
            return _error("The ticket does not exist", 404)
        name, ticket = found
        reply = _reply({name: _described(ticket, "true" if ticket.sent else "false")})
        # The code is there before its instructions are.
        ticket.sent = ticket.status == "available"
        return reply

    def _update(self, request: Request, body: bytes) -> Response:
        found = self._ticket(request)
        if found is None or parse_qs(body.decode()).get("force") != ["nowait"]:
            return _error("Bad request", 400)
        name, ticket = found
        if ticket.status in {"open", "pending"}:
            self._work(ticket, self.work_seconds)
        ticket.sent = ticket.status == "available"
        return _reply({name: _described(ticket, "1" if ticket.sent else "0")})

    def _cancel(self, request: Request, _: bytes) -> Response:
        found = self._ticket(request)
        if found is None:
            return _error("The ticket does not exist", 404)
        name, ticket = found
        if ticket.status not in {"open", "pending"} or self.clock() - ticket.placed_at > CANCEL_SECONDS:
            return _error("The order can not be cancelled")
        ticket.status = "canceled"
        return _reply({name: {"status": "canceled"}}, coded=False)

    def _howto(self, request: Request, _: bytes) -> Response:
        found = self._ticket(request)
        if found is None or found[1].status != "available":
            return _error("The instructions are not available")
        # Under this very word, if the sample is to be believed.
        return _reply({"id_ticket": {"howto": HOWTO.format(imei=found[1].imei[:15])}}, coded=False)

    def _imeicheck(self, request: Request, _: bytes) -> Response:
        imei, given = request.path_params["imei"], request.path_params.get("hash")
        if not self._in_sandbox(request):
            if self.hash is None or given != self.hash:
                return _error("Wrong hash", 400)
            self.purchases.add("imeicheck", imei)
        if imei == CHECK_ERROR:
            return _error("The IMEI cannot be checked")
        unknown = imei == CHECK_UNKNOWN
        black = imei == CHECK_BLACK
        free = black or imei == CHECK_WHITE
        return _reply(
            {
                "data": {
                    "imei": imei,
                    "tac": f"TAC:{imei[:7]} SN:{imei[7:]}",
                    "brandname": "NA" if unknown else "IPHONE",
                    "marketingname": "NA" if unknown else "Apple iPhone X (A1901)",
                    "modelname": "NA" if unknown else "iPhone X (A1901)",
                    "devicetype": "NA" if unknown else "Smartphone",
                    "img": "https://img2.doctorsim.com/img/term/iphone_x.png",
                    "lang": "es",
                },
                "error": [{"code": 404, "txt": "Lo sentimos, el IMEI no corresponde."}] if unknown else [],
                "result": _check_result(imei, black=black) if free else {},
                "type_pay": {"type": "F", "desc": "free"} if free else {"type": "P", "desc": "pay"},
                "extra_info": [],
            },
            coded=False,
        )


def _check_result(imei: str, *, black: bool) -> dict[str, Any]:
    history = {
        "imei": imei,
        "action": "Black Insert",
        "date": "2018-10-17 17:59:19",
        "by": "TELCEL",
        "country": "Mexico",
    }
    mexico = {"name": "Mexico", "opers": [{"txt": "Mexico-Iusacell", "status": "0"}]}
    germany = {
        "name": "Alemania",
        "opers": [{"txt": "Alemania-E-Plus", "status": "2"}, {"txt": "Alemania-O2", "status": "1"}],
    }
    return {
        "blackliststatus": black,
        "imeihistory": [history] if black else [],
        "lists": {"black": [mexico] if black else [], "white": [germany]},
        "url_report": "https://www.doctorsim.com/imei_report/zl6fpnyqkewa",
    }


def _described(ticket: Ticket, ok_sent: str) -> dict[str, str]:
    return {
        "id_device": ticket.device,
        "id_network": ticket.network,
        "imei": ticket.imei[:15],
        "creation_datetime": "2011-10-04 15:29:18",
        "status": ticket.status,
        "ok_sent": ok_sent,
    }


def _tools(request: Request, _: bytes) -> Response:
    tools = TOOLS.get(f"{request.path_params['device']}/{request.path_params['network']}", [])
    return _reply({"tools": tools})
