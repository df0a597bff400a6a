"""Turns the parameters of a call into wishes and order numbers, under all the names clients use."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from app.api.dhru import replies
from app.api.dhru.envelope import as_text
from app.api.dhru.parameters import decode_json
from app.api.dhru.replies import Malformed, Refusal
from app.catalog.snapshot import Catalog, Service
from app.connectors.base import File, ServiceType
from app.errors import Invalid
from app.orders.wishes import Wish, make_wish

Read = TypeVar("Read")

SERVICE_IDS = ("id", "serviceid", "service_id", "service")
ORDER_IDS = ("id", "orderid", "order_id", "referenceid", "ids", "order")
QUANTITIES = ("qnt", "quantity")
CUSTOM = ("customfield", "customfields", "custom", "fields", "required")

_CHOICES = {
    "device": ("modelid", "mobile", "model"),
    "network": ("providerid", "provider"),
    "mep": ("mep", "mepid"),
}
"""Under which names clients send what was chosen from modellist, providerlist and meplist."""

_NOT_FIELDS = frozenset((*SERVICE_IDS, *QUANTITIES, *CUSTOM, "orderid", "server"))
_DEVICE_NAMES = frozenset(("imei", "imei_sn", "imei_number", "imei_or_sn", "sn", "serial", "serial_number"))
MAX_ID_DIGITS = 19  # those of the largest bigint
MAX_INPUTS = 1_000
"""The most parameters and custom fields of one order."""

_WHOLE = re.compile(r"([+-]?)0*(\d{1,18})(?:\.0*)?")
_LIST = re.compile(r"[,;\s]+")
_SEVERAL = re.compile(r"[,;\r\n]")
_RESERVED_KEYS = frozenset(("SUCCESS", "ERROR", "apiversion"))
_NOT_PLAIN = re.compile(r"[^0-9a-z]+")


class Row:
    """The parameters of one order, found by name without case and outer blanks."""

    __slots__ = ("_values", "named")

    def __init__(self, named: Mapping[str, Any]) -> None:
        if len(named) > MAX_INPUTS:
            raise Malformed("An order has too many values.")
        self.named = named
        self._values: dict[str, Any] = {}
        for name, value in named.items():
            folded = name.strip().lower()
            if self._values.get(folded) in (None, ""):
                self._values[folded] = value

    def get(self, name: str) -> Any:
        """Return the value of ``name`` (in lower case) as it came; None if there is none."""
        return self._values.get(name)

    def text(self, *names: str) -> str:
        """Return the first value among ``names`` that is not empty. Raises Malformed."""
        return next((text for name in names if (text := as_text(self._values.get(name)))), "")

    def echo(self) -> dict[str, str]:
        """Return what old panels expect to see again at the top of the reply: ID and IMEI, as sent."""
        echoed = {}
        for shown, names in (("ID", (*SERVICE_IDS, "orderid")), ("IMEI", ("imei",))):
            value = next((value for name in names if (value := self._values.get(name))), "")
            if isinstance(value, str | int):
                echoed[shown] = str(value).strip()[:100]
        return echoed


def single_row(content: Any, flat: Mapping[str, Any]) -> Row:
    """Return the parameters of a call for one order; what came beside them fills gaps. Raises Malformed."""
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0]
    if not isinstance(content, dict):
        raise Malformed("The parameters are not one set of names and values.")
    return Row({**content, **{name: value for name, value in flat.items() if name not in content}})


def bulk_rows(content: Any, flat: Mapping[str, Any], *, limit: int) -> list[tuple[str, Row | Refusal]]:
    """Return the rows of a bulk placing by the caller's keys; a row that is not an object is refused alone.

    Raises Refusal for more than ``limit`` rows, for none, and for keys that the reply needs itself.
    """
    if isinstance(content, dict) and not any(isinstance(value, dict | list) for value in content.values()):
        # One row instead of a map of rows, or nothing but flat values.
        named = {**content, **{name: value for name, value in flat.items() if name not in content}}
        content = [named] if any(name.strip().lower() in SERVICE_IDS for name in named) else []
    return _keyed(content, limit, lambda values: map(_bulk_row, values))


def bulk_orders(content: Any, flat: Mapping[str, Any], *, limit: int) -> list[tuple[str, int | None]]:
    """Return the orders of a bulk status call by the caller's keys, or by their own ids if it gave a plain list.

    None stands for what is no order id. Raises Refusal as ``bulk_rows`` does.
    """
    if isinstance(content, dict) and not any(isinstance(value, dict) for value in content.values()):
        row = Row({**content, **{name: value for name, value in flat.items() if name not in content}})
        for name in ORDER_IDS:
            value = row.get(name)
            if isinstance(value, list):
                value = ",".join(as_text(item) for item in value)
            if value:
                texts = [text for text in _LIST.split(as_text(value)) if text]
                return _keyed({text[:40]: text for text in texts}, limit, _orders_of)
    return _keyed(content, limit, _orders_of)


def order_ids(row: Row) -> list[int | None]:
    """Return the order a status call asks for, or the several of a comma list. Raises Refusal if there is none."""
    texts = [text for text in _LIST.split(row.text(*ORDER_IDS)) if text]
    if not texts:
        raise replies.parameter_required("ID")
    return [_order_of(text) for text in texts]


def service_of(row: Row, catalog: Catalog, *, files: bool = False) -> Service:
    """Return the service a call names; only ``files`` finds file services, which have numbers of their own elsewhere.

    Raises Refusal if it names none or one that is not sold here.
    """
    text = row.text(*SERVICE_IDS)
    if not text:
        raise replies.parameter_required("ID")
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
    service = catalog.services.get(number)
    if service is None or (service.type is ServiceType.FILE) is not files:
        raise replies.not_sold()
    return service


def wish_of(row: Row, catalog: Catalog, reference: str = "", *, file: File | None = None) -> Wish:
    """Return the wish that a row stands for, with a file that of a file service. Raises Refusal if it is none."""
    service = service_of(row, catalog, files=file is not None)
    custom = _custom(row)
    given = _renamed(service, _with_flat(row, custom)) if service.fields or not row.get("imei") else custom
    quantity = _quantity(row.text(*QUANTITIES) or next((custom[n] for n in custom if n.lower() in QUANTITIES), ""))
    try:
        return make_wish(
            service,
            device="" if file else _device(service, row, given),
            quantity=quantity,
            fields=given,
            reference=reference,
            file=file,
        )
    except Invalid as error:
        raise replies.invalid(error.message) from error


def _keyed(content: Any, limit: int, read: Callable[[Collection[Any]], Iterable[Read]]) -> list[tuple[str, Read]]:
    if isinstance(content, list):
        # PHP writes a map whose keys run from 0 as a list, and reads the reply's keys as numbers again.
        content = {str(index): value for index, value in enumerate(content)}
    if not isinstance(content, dict) or not content:
        raise Malformed("The parameters have no rows.")
    if len(content) > limit:
        raise Refusal("Too many rows", f"A bulk call may have {limit} rows.")
    if not _RESERVED_KEYS.isdisjoint(content) or "\x00" in "".join(content):
        raise Malformed("A row has a key that the reply needs for itself.")
    return list(zip(content, read(content.values()), strict=True))


def _bulk_row(value: Any) -> Row | Refusal:
    return Row(value) if isinstance(value, dict) else Malformed("The row is not an object.")


def _orders_of(values: Collection[Any]) -> Iterable[int | None]:
    """Return the order each row names. What panels send, nothing but an ID in digits, is read all in one."""
    try:
        texts = [value["ID"] for value in values]
        plain = "".join(texts)
    except (KeyError, TypeError):
        return map(_order_of, values)
    lengths = [*map(len, texts)]
    alone = max(map(len, values)) == 1
    if alone and min(lengths) > 0 and max(lengths) <= MAX_ID_DIGITS and plain.isascii() and plain.isdigit():
        return map(int, texts)
    return map(_order_of, values)


def _order_of(value: Any) -> int | None:
    if isinstance(value, dict):
        row = Row(value)
        value = next((found for name in ORDER_IDS if (found := row.get(name))), None)
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    else:
        return None
    return int(text) if len(text) <= MAX_ID_DIGITS and text.isdigit() and text.isascii() else None


def _custom(row: Row) -> dict[str, str]:
    """Return the values of CUSTOMFIELD and its kin, whether base64, JSON or an object already."""
    given: dict[str, str] = {}
    for name in CUSTOM:
        value = row.get(name)
        if isinstance(value, str):
            try:
                value = decode_json(value)
            except Malformed as error:
                if name != "customfield":
                    continue  # a plain field that happens to have this name
                raise replies.invalid("CUSTOMFIELD must be base64 encoded JSON.") from error
        if isinstance(value, dict):
            if len(value) > MAX_INPUTS:
                raise Malformed("An order has too many values.")
            for key, inner in value.items():
                if not given.get(key, "").strip():
                    given[key] = _raw_text(inner)
        elif value and name == "customfield":
            raise replies.invalid("CUSTOMFIELD must be an object of names and values.")
    return given


def _with_flat(row: Row, custom: Mapping[str, str]) -> dict[str, str]:
    """Return the custom values, and behind them those that came as parameters of their own (MODELID, PIN, SN ...)."""
    # A custom field that came empty makes way for a parameter of its name.
    given = {name: value for name, value in custom.items() if value.strip()}
    filled = {name.strip().lower() for name in given}
    for name, value in row.named.items():
        folded = name.strip().lower()
        if folded in filled or folded in _NOT_FIELDS or isinstance(value, dict | list):
            continue
        text = _raw_text(value)
        if text.strip():
            given[name] = text
    return given


def _renamed(service: Service, given: dict[str, str]) -> dict[str, str]:
    """Return the values under the service's own names too, where case or PHP changed them (``Player_ID``)."""
    if not service.fields:
        return given
    folded = {name.strip().lower(): value for name, value in reversed(given.items())}
    plain = {_plain(name): value for name, value in reversed(given.items())}
    for field in service.fields:
        if field.choice:
            value = next((text for name in _CHOICES[field.choice] if (text := folded.get(name, "").strip())), None)
            given[field.name] = (given.get(field.name) or value or "").strip()
        elif field.name not in given:
            value = folded.get(field.name.strip().lower(), plain.get(_plain(field.name)))
            if value is not None:
                given[field.name] = value
    return given


def _device(service: Service, row: Row, given: Mapping[str, str]) -> str:
    device = row.text("imei")
    if service.device == "none":
        if device or all(given.get(field.name, "").strip() for field in service.fields if field.required):
            return device
        # Some clients have one input for server services and send it as SN; it may be meant for the one field.
        return row.text("sn")
    if not device and service.device != "imei":
        device = row.text("sn", "serial")
    if not device:
        # Some clients send the IMEI among the custom fields only.
        device = next((value.strip() for name, value in given.items() if _plain(name) in _DEVICE_NAMES and value), "")
    if _SEVERAL.search(device):
        raise replies.invalid("Invalid IMEI: one IMEI per order; send several with placeimeiorderbulk.")
    return device


def _quantity(text: str) -> int | None:
    """Return the quantity asked for; None, which stands for the smallest, if it is left out or not above zero."""
    if not text:
        return None
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise replies.invalid("The quantity is not a whole number.")
    quantity = int(match[2])
    return quantity if quantity > 0 and match[1] != "-" else None


def _raw_text(value: Any) -> str:
    """Return a field's value as text; blanks at its ends are the customer's."""
    return value if isinstance(value, str) else as_text(value)


def _plain(name: str) -> str:
    return _NOT_PLAIN.sub("_", name.lower()).strip("_")
