"""What a DHRU 6.1 server answers to each action."""

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Any

import orjson

from app.imei import clean_imei, clean_serial
from app.money import MICRO, format_amount
from app.simulator.catalogue import BY_ID, Service, file_service_list, service_list
from app.simulator.orders import Order, Orders
from app.simulator.parameters import read_fields, read_parameters, read_rows
from app.simulator.results import REJECTED, result

START_BALANCE = 10_000_000 * MICRO
DEFAULT_API_KEY = "SIM-ULA-TOR-KEY"
"""It protects nothing: what the simulator sells is not real."""
API_VERSION = "6.1"
BULK_LIMIT = 1_000

Body = dict[str, Any]


class Refusal(Exception):  # noqa: N818  an answer, not a failure
    """An ERROR in DHRU's form: ``MESSAGE`` and ``FULL_DESCRIPTION``."""

    def __init__(self, message: str, description: str = "") -> None:
        super().__init__(message)
        self.body: Body = {"ERROR": [{"MESSAGE": message, "FULL_DESCRIPTION": description}]}


class Supplier:
    """Takes orders and delivers them ``work_seconds`` later, at the pace of each service."""

    def __init__(
        self, orders: Orders, *, username: str, api_key: str, work_seconds: float, start_balance: int = START_BALANCE
    ) -> None:
        """``start_balance`` is what the account held before its first order, in micro-units."""
        self.orders = orders
        self._start_balance = start_balance
        self._username = username.encode()
        self._api_key = api_key.encode()
        self.work_seconds = work_seconds
        self._actions: Mapping[str, Callable[[str], Body]] = {
            "accountinfo": self._account,
            "imeiservicelist": self._list,
            "placeimeiorder": self._place,
            "placeimeiorderbulk": self._place_bulk,
            "getimeiorder": self._status,
            "getimeiorderbulk": self._status_bulk,
            "fileservicelist": self._file_list,
            "placefileorder": self._place_file,
            "getfileorder": self._status,
        }

    def answer(self, form: Mapping[str, str]) -> Body:
        """Return the reply to one request's form; an order in it is kept when this returns."""
        try:
            known_user = compare_digest(form.get("username", "").strip().encode(), self._username)
            known_key = compare_digest(form.get("apiaccesskey", "").strip().encode(), self._api_key)
            if not (known_user and known_key):
                raise Refusal("Authentication Failed")
            action = self._actions.get(form.get("action", "").lower())
            if action is None:
                raise Refusal("Command Not Found")
            try:
                body = action(form.get("parameters", ""))
            except ValueError as error:
                raise Refusal("ValidationError", f"Invalid parameters: {error}") from error
        except Refusal as refusal:
            body = refusal.body
        return {**body, "apiversion": API_VERSION}

    def balance(self) -> int:
        """Return what the account holds, in micro-units."""
        return self._start_balance - self.orders.spent(time.time() - self.work_seconds)

    def _account(self, _: str) -> Body:
        amount = format_amount(self.balance())
        info = {"credit": f"{amount} USD", "creditraw": amount, "mail": "reseller@example.com", "currency": "USD"}
        return {"SUCCESS": [{"message": "Your Accout Info", "AccoutInfo": info}]}

    def _list(self, _: str) -> Body:
        return {"SUCCESS": [{"MESSAGE": "IMEI Service List", "LIST": service_list()}]}

    def _file_list(self, _: str) -> Body:
        return {"SUCCESS": [{"MESSAGE": "File Service List", "LIST": file_service_list()}]}

    def _place_file(self, parameters: str) -> Body:
        row = read_parameters(parameters)
        service = BY_ID.get(row.get("ID", "").strip())
        if service is None or service.type != "FILE":
            raise Refusal("Service Not Active", "Service not found or inactive.")
        device = _file(service, row.get("FILENAME", ""), row.get("FILEDATA", ""))
        order = self._order(service, device, time.time(), self.balance())
        self.orders.add([order])
        return _received(order)

    def _place(self, parameters: str) -> Body:
        order = self._accept(read_parameters(parameters), time.time(), self.balance())
        self.orders.add([order])
        return _received(order)

    def _place_bulk(self, parameters: str) -> Body:
        now, left = time.time(), self.balance()
        body: Body = {}
        accepted: list[Order] = []
        for key, row in read_rows(parameters).items():
            try:
                if len(body) >= BULK_LIMIT:
                    raise Refusal("ValidationError", f"At most {BULK_LIMIT} orders at once")
                order = self._accept(row, now, left)
            except Refusal as refusal:
                body[key] = refusal.body
                continue
            left -= order.cost
            accepted.append(order)
            body[key] = _received(order)
        self.orders.add(accepted)
        return body

    def _accept(self, row: Mapping[str, str], now: float, left: int) -> Order:
        service = BY_ID.get(row.get("ID", "").strip())
        if service is None or service.type == "FILE":
            raise Refusal("Service Not Active", "Service not found or inactive.")
        device = _device(service, row.get("IMEI", ""))
        quantity = _quantity(service, row.get("QNT", ""))
        fields = _fields(service, row.get("CUSTOMFIELD", ""))
        return self._order(service, device, now, left, quantity=quantity, fields=fields)

    def _order(
        self, service: Service, device: str, now: float, left: int, *, quantity: int = 1, fields: str = ""
    ) -> Order:
        cost = service.cost * quantity
        if cost > left:
            raise Refusal("CreditprocessError", "error:<li>Not enough credits</li>")
        reference = self.orders.next_reference()
        return Order(reference, service.id, device, quantity, fields, cost, service.result == "reject", now)

    def _status(self, parameters: str) -> Body:
        reference = read_parameters(parameters).get("ID", "")
        return self._report(self.orders.find([_reference(reference)]).get(_reference(reference)))

    def _status_bulk(self, parameters: str) -> Body:
        asked = {key: _reference(row.get("ID", "")) for key, row in read_rows(parameters).items()}
        if len(asked) > BULK_LIMIT:
            raise Refusal("ValidationError", f"At most {BULK_LIMIT} orders at once")
        found = self.orders.find(list(asked.values()))
        return {key: self._report(found.get(reference)) for key, reference in asked.items()}

    def _report(self, order: Order | None) -> Body:
        if order is None:
            return Refusal("Order ID not found!").body
        service = BY_ID[str(order.service)]
        work = self.work_seconds * service.work
        age = time.time() - order.created
        if age < work:
            status, code = (0 if age < work / 4 else 1), ""
        elif order.rejected:
            status, code = 3, REJECTED
        else:
            status, code = 4, result(service.result, order.device, order.reference)
        return {"SUCCESS": [{"STATUS": status, "CODE": code}]}


def _received(order: Order) -> Body:
    return {"SUCCESS": [{"MESSAGE": "Order received", "REFERENCEID": order.reference}]}


def _reference(text: str) -> int:
    """The reference as a number; 0, which no order has, for anything else."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _device(service: Service, text: str) -> str:
    if service.type != "IMEI":
        return text.strip()[:100]
    try:
        return clean_serial(text) if service.serial else clean_imei(text)
    except ValueError as error:
        raise Refusal("ValidationError", f"Invalid IMEI![{text[:40]}]") from error


def _file(service: Service, name: str, data: str) -> str:
    """What stands for the file as the order's device."""
    if name.rpartition(".")[2].lower() not in service.extensions.split(","):
        raise Refusal("ValidationError", f"Allowed extensions: {service.extensions}")
    try:
        content = base64.b64decode(data.replace(" ", "+"), validate=True)
    except binascii.Error as error:
        raise Refusal("ValidationError", "FILEDATA must be base64") from error
    if not content:
        raise Refusal("ValidationError", "The file is empty")
    return hashlib.sha256(content).hexdigest()


def _quantity(service: Service, text: str) -> int:
    quantity = max(_reference(text), 1)
    if service.max_quantity == 0:
        return 1
    if not service.min_quantity <= quantity <= service.max_quantity:
        raise Refusal("ValidationError", f"Quantity from {service.min_quantity} to {service.max_quantity}")
    return quantity


def _fields(service: Service, text: str) -> str:
    if not service.fields:
        return ""
    given = read_fields(text)
    for name in service.required:
        if not given.get(name, "").strip():
            raise Refusal("ValidationError", f"{name} is required")
    return orjson.dumps(given).decode()
