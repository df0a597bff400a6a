"""Requests as bytes, in the form DHRU's own panels send them, and the minimal ones of the floor."""

import base64
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

import orjson

from bench.shop import Buyer

_HEAD = "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"


def post(path: str, body: bytes, kind: str = "application/x-www-form-urlencoded") -> bytes:
    """Return one POST request."""
    return _HEAD.format(path=path, kind=kind, length=len(body)).encode() + body


def call(buyer: Buyer, action: str, parameters: str = "") -> bytes:
    """Return a DHRU call as a panel makes it."""
    form = {
        "username": buyer.username,
        "apiaccesskey": buyer.key,
        "action": action,
        "requestformat": "JSON",
        "parameters": parameters,
    }
    return post("/api/index.php", urlencode(form).encode())


def placing(buyer: Buyer, service_id: int, device: str) -> bytes:
    """Return a call that places one order."""
    tags = f"<PARAMETERS><ID>{service_id}</ID><IMEI>{device}</IMEI></PARAMETERS>"
    return call(buyer, "placeimeiorder", tags)


def status(buyer: Buyer, order_id: int) -> bytes:
    """Return a call that asks after one order."""
    return call(buyer, "getimeiorder", f"<PARAMETERS><ID>{order_id}</ID></PARAMETERS>")


def bulk_status(buyer: Buyer, order_ids: Iterable[int]) -> bytes:
    """Return a call that asks after many orders, as base64 of a map of rows."""
    rows = {str(number): {"ID": str(number)} for number in order_ids}
    return call(buyer, "getimeiorderbulk", base64.b64encode(orjson.dumps(rows)).decode())


def floor_placing(buyer: Buyer, service_id: int, device: str, fingerprint: str) -> bytes:
    """Return what the floor needs to place the same order."""
    body = {"key": buyer.key_id, "service": service_id, "device": device, "fingerprint": fingerprint}
    return post("/place", orjson.dumps(body), "application/json")


def floor_status(buyer: Buyer, order_ids: Sequence[int]) -> bytes:
    """Return what the floor needs to ask after the same orders."""
    return post("/status", orjson.dumps({"key": buyer.key_id, "ids": list(order_ids)}), "application/json")
