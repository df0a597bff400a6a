"""GSM EYE: a Laravel site of the DHRU family, as its published standard and its own clients have it.

It wants ``requestformat`` to be exactly JSON, answers errors with a status of HTTP and JSON, calls the account
AccountInfo, and tells version 1.0. Bulk orders come in base64 JSON by the caller's keys and are answered by a map
under SUCCESS; in a bulk an id that is not an order has STATUS 0. Parameters of single calls are XML.
"""

import base64
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.simulator.server import read_form
from tests.fakes.dhru_dialects import Refusal, Row, _Account, _json_faults, _theme_list
from tests.fakes.faults import Spoil, as_json

STATES: Mapping[str, int] = {"waiting": 0, "working": 1, "rejected": 3, "done": 4}


class FakeGsmEye(_Account):
    """GSM EYE's server."""

    dialect = "gsmeye"
    own_faults: ClassVar[Mapping[str, Spoil]] = {
        **_json_faults(_Account.refusals),
        # What stands before its application says no in Laravel's words.
        "throttled": lambda _, __: as_json({"message": "Too Many Attempts."}, 429),
    }

    def routes(self) -> Iterable[BaseRoute]:
        """One endpoint, whatever comes behind it."""
        return [
            Route("/api/index.php", self._endpoint, methods=["GET", "POST"]),
            Route("/api/index.php/{any:path}", self._endpoint, methods=["GET", "POST"]),
        ]

    async def _endpoint(self, request: Request) -> Response:
        form = await read_form(request)
        return await self.answer(request, form.get("action", ""), lambda: self._reply(form))

    def _reply(self, form: Mapping[str, str]) -> Response:
        try:
            if form.get("requestformat") != "JSON":
                raise Refusal("requestformat must be JSON", 400)
            if (form.get("username"), form.get("apiaccesskey")) != (self.username, self.api_key):
                raise Refusal("Authentication Failed", 401)
            body = self._answer(form.get("action", "").lower(), form.get("parameters", ""))
        except Refusal as refusal:
            return as_json({"ERROR": [{"MESSAGE": refusal.text}], "apiversion": "1.0"}, refusal.status)
        return as_json({**body, "apiversion": "1.0"})

    def _answer(self, action: str, parameters: str) -> Row:
        account = {"credit": "997.5 USD", "creditraw": 997.5, "mail": self.username, "currency": "USD"}
        match action:
            case "accountinfo":
                return {"SUCCESS": [{"MESSAGE": "Your Account Info", "AccountInfo": account}]}
            case "imeiservicelist":
                success = {"MESSAGE": "IMEI Service List", "ACCOUNTINFO": account, "LIST": _theme_list()}
                return {"SUCCESS": [success]}
            case "placeimeiorder":
                order = self._taken(_tags(parameters))
                return {"SUCCESS": [{"MESSAGE": "Order received", "REFERENCEID": int(order["id"])}]}
            case "placeimeiorderbulk" | "placebulkorder":
                return {"SUCCESS": {key: self._row(row) for key, row in _rows(parameters).items()}}
            case "getimeiorder":
                number = _tags(parameters).get("ID", "")
                told = self._told(number)
                if told is None:
                    raise Refusal("Order not found!", 404)
                return {"ID": number, "SUCCESS": [told]}
            case "getimeiorderbulk":
                unknown: Row = {"STATUS": 0, "CODE": "", "COMMENTS": ""}
                asked = _rows(parameters)
                return {key: {"SUCCESS": [self._told(str(row.get("ID", ""))) or unknown]} for key, row in asked.items()}
            case _:
                raise Refusal("Command not found", 400)

    def _row(self, row: Row) -> Row:
        try:
            order = self._taken(row)
        except Refusal as refusal:
            return {"status": "error", "message": refusal.text}
        return {"status": "success", "message": "Order received", "referenceid": int(order["id"])}

    def _taken(self, order: Mapping[str, Any]) -> Row:
        if str(order.get("ID")) != "1":
            raise Refusal("Service not found or inactive.", 404)
        if not order.get("IMEI"):
            raise Refusal("IMEI field is required.", 400)
        return self.take("imei", "1", str(order["IMEI"]))

    def _told(self, number: str) -> Row | None:
        order = self.find("imei", number)
        if order is None:
            return None
        code = f"Result of {order['device']}" if order["state"] in {"done", "rejected"} else ""
        return {"IMEI": order["device"], "STATUS": STATES.get(order["state"], -1), "CODE": code, "COMMENTS": ""}


def _tags(text: str) -> dict[str, str]:
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        raise Refusal("Parameters required.", 400) from None
    return {child.tag: child.text or "" for child in root}


def _rows(text: str) -> dict[str, Row]:
    try:
        rows = json.loads(base64.b64decode(text, validate=True))
    except ValueError:
        raise Refusal("Parameters required.", 400) from None
    return {str(key): row for key, row in (rows.items() if isinstance(rows, dict) else enumerate(rows))}
