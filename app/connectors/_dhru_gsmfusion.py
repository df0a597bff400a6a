"""GSM Fusion: XML at ``/gsmfusion_api/index.php``, with names, calls and status numbers of its own.

``userId``, ``apiKey`` and ``action`` go in a form with the call's own values. A reply is ``<Client>``, ``<Packages>``,
``<result>`` (which some sites leave out) or ``<error>text</error>``. Status 4 means in process here, where it means
delivered in DHRU, so nothing of DHRU's status reading is shared.

IMEI, server and remote services are numbered apart, so ours carry a word before the number, orders included.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from app.connectors._amounts import read_amount, read_currency
from app.connectors._dhru_reply import MAX_ID, MAX_TEXT, StatusOf, clean, folded, refuse, text_of
from app.connectors._reply import Reply
from app.connectors._xml import read_xml
from app.connectors.base import (
    FieldType,
    Placed,
    PlaceRequest,
    RemoteField,
    RemoteService,
    Report,
    ReportStatus,
    ServiceType,
)
from app.connectors.errors import RefusalReason, Refused, Unclear
from app.connectors.http import SupplierHttp
from app.money import Money

FOLDER = "gsmfusion_api"

STATUSES: Mapping[str, ReportStatus] = {
    # "statusId values: 1 = Pending, 2 = Completed, 3 = Rejected, 4 = In Process"
    "1": ReportStatus.PENDING,
    "2": ReportStatus.DONE,
    "3": ReportStatus.FAILED,
    "4": ReportStatus.PENDING,
}
_WORDS: Mapping[str, ReportStatus] = {
    "pending": ReportStatus.PENDING,
    "completed": ReportStatus.DONE,
    "rejected": ReportStatus.FAILED,
    "in process": ReportStatus.PENDING,
}

_SERVER, _REMOTE = "server:", "remote:"
_LISTS = (
    ("imeiservices", ServiceType.IMEI, ""),
    ("serverservices", ServiceType.SERVER, _SERVER),
    ("remoteservices", ServiceType.REMOTE, _REMOTE),
)
_PLACING = {"": ("placeorder", "networkId"), _SERVER: ("placeserverorder", "serviceId")} | {
    _REMOTE: ("placeremoteorder", "networkId")
}
"""By the word before a remote id: the call that orders it, and under what it wants the service's number."""
_ROWS = ("imeis", "imei", "order", "serverorder", "remoteorder")
_UNKNOWN_LIST = ("invalid action", "unknown action", "command not found")
_NOTHING = {"", "-"}
_TYPES = {"text area": FieldType.TEXTAREA, "textarea": FieldType.TEXTAREA, "drop down": FieldType.DROPDOWN} | {
    "dropdown": FieldType.DROPDOWN,
    "radio button": FieldType.RADIO,
    "check box": FieldType.CHECKBOX,
}


def fusion_endpoint(base_url: str) -> str:
    """Return the URL to post to: a full endpoint as it is, else ``/gsmfusion_api/index.php`` below what is given."""
    parts = urlsplit(base_url)
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    if path.endswith(f"/{FOLDER}"):
        path += "/index.php"
    elif not path.endswith(".php"):
        path = f"{path}/{FOLDER}/index.php"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


class GsmFusion:
    """One account at a GSM Fusion site."""

    def __init__(
        self,
        http: SupplierHttp,
        *,
        base_url: str,
        credentials: Mapping[str, str],
        currency: str,
        classify: Callable[[str], RefusalReason],
        override: StatusOf,
    ) -> None:
        """``credentials`` are ``userId`` and ``apiKey``; ``classify`` tells what an error text means, ``override`` what
        a status means where staff know better than the tables here."""
        self._http = http
        self._url = fusion_endpoint(base_url)
        self._credentials = credentials
        self._currency = currency
        self._classify = classify
        self._override = override

    async def balance(self) -> Money:
        """Return what ``<ClientCredits>$ 150.00 USD</ClientCredits>`` says."""
        shown = text_of(folded(await self._read("accountinfo", {})).get("clientcredits"))
        currency = self._currency or read_currency(shown)
        amount = read_amount(shown, currency, signed=True)
        if not currency or amount is None:
            raise Unclear("the account's credit cannot be read")
        return Money(amount, currency)

    async def catalog(self) -> Sequence[RemoteService]:
        """Return the packages of the IMEI, server and remote lists; a site need not have the last two."""
        found: dict[str, RemoteService] = {}
        for action, kind, prefix in _LISTS:
            try:
                value = await self._read(action, {})
            except Refused as error:
                if prefix and any(phrase in error.text.lower() for phrase in _UNKNOWN_LIST):
                    continue
                raise
            for package in _packages(value):
                if service := _service(package, kind, prefix, self._currency):
                    found.setdefault(service.remote_id, service)
        return tuple(found.values())

    async def place(self, request: PlaceRequest) -> Placed:
        """Order once: ``<imeis><id>10001</id>…`` or ``<order><id>502</id>…`` is the order."""
        prefix, number = _split(request.remote_id)
        action, name = _PLACING[prefix]
        # The inputs are named by their labels, with underscores for blanks; ours win over one of the same name.
        inputs = {label.replace(" ", "_"): value for label, value in request.fields.items()}
        if request.device:
            inputs["imei"] = request.device
        value = await self._call(action, {**inputs, name: number}, buys=True)
        if (text := _error(value)) is not None:
            raise refuse(text, self._classify)
        ids = {order for row in _rows(value) if (order := text_of(row.get("id")).strip())}
        order = next(iter(ids), "")
        if len(ids) != 1 or order == "0" or len(order) > MAX_ID or not order.isprintable():
            raise Unclear("success with several order ids" if len(ids) > 1 else "success without an order id")
        return Placed(prefix + order)

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return what ``getimeis`` says of IMEI and remote orders, all in one, and ``getserverorder`` of each other."""
        reports: list[Report] = []
        many = {_split(name)[1]: name for name in remote_ids if not name.startswith(_SERVER)}
        if many:
            said = _rows(await self._read("getimeis", {"orderIds": ",".join(many)}))
            by_id = {text_of(row.get("id")).strip(): row for row in reversed(said)}
            reports += [self._report(name, by_id[number]) for number, name in many.items() if number in by_id]
        for name in remote_ids:
            if name.startswith(_SERVER):
                rows = _rows(await self._read("getserverorder", {"orderId": _split(name)[1]}))
                if len(rows) == 1:
                    reports.append(self._report(name, rows[0]))
        return reports

    def _report(self, remote_id: str, row: Mapping[str, Any]) -> Report:
        number, word = text_of(row.get("statusid")).strip(), text_of(row.get("status")).strip().lower()
        said = [self._override(text) or table.get(text) for table, text in ((STATUSES, number), (_WORDS, word)) if text]
        if len(set(said)) != 1 or said[0] is None:
            return Report(remote_id, ReportStatus.PENDING, note=f"unknown status {number[:20]!r}, {word[:40]!r}")
        status = said[0]
        code = text_of(row.get("code")).strip()
        if status is ReportStatus.FAILED:
            return Report(remote_id, status, code[:MAX_TEXT] or "Rejected by the supplier")
        if status is ReportStatus.DONE and not code:
            return Report(remote_id, ReportStatus.PENDING, note="the final status came without a result")
        return Report(remote_id, status, code if status is ReportStatus.DONE else "")

    async def _read(self, action: str, values: Mapping[str, str]) -> Any:
        value = await self._call(action, values, buys=False)
        if (text := _error(value)) is not None:
            raise Refused(self._classify(text), text)
        return value

    async def _call(self, action: str, values: Mapping[str, str], *, buys: bool) -> Any:
        form = {**values, **self._credentials, "action": action}
        reply = await self._http.send("POST", self._url, buys=buys, form=form)
        value = read_xml(reply.text)
        if value is None:
            raise _unreadable(reply)
        return value if isinstance(value, Mapping) else {_root_of(reply.text): value}


def _unreadable(reply: Reply) -> Refused | Unclear:
    text = f"the reply is not XML (HTTP {reply.status})"
    return Refused(RefusalReason.BLOCKED, text) if reply.is_wall() and not reply.buys else Unclear(text)


def _root_of(text: str) -> str:
    """The name of an element that holds nothing but text or a list: of ``<error>Invalid User!</error>`` it is error."""
    found = re.search(r"<([A-Za-z_][\w.-]*)[^<>]*>", re.sub(r"<\?.*?\?>", "", text, flags=re.DOTALL))
    return found[1].lower() if found else ""


def _error(value: object) -> str | None:
    """The text of an error, if the reply is that and nothing else."""
    body = folded(value)
    if set(body) - {"error"} or "error" not in body:
        return None
    return clean(text_of(body["error"])) or "refused without a reason"


def _rows(value: object) -> list[dict[str, Any]]:
    """The orders in a result, with or without its wrapper."""
    body = folded(value)
    body = folded(body["result"]) if isinstance(body.get("result"), Mapping) else body
    # Several orders and nothing else are read as a list under the name of the root.
    inner = next((body[name] for name in (*_ROWS, "result") if isinstance(body.get(name), Mapping | list)), body)
    rows = [folded(row) for row in (inner if isinstance(inner, list) else [inner])]
    return [row for row in rows if {"id", "statusid", "status"} & row.keys()]


def _packages(value: object) -> list[dict[str, Any]]:
    body = folded(value)
    found = next((body[name] for name in ("packages", "package") if name in body), None)
    if found is None:
        raise Unclear("the service list cannot be read")
    if isinstance(found, Mapping):
        found = folded(found).get("package", found)
    return [folded(one) for one in (found if isinstance(found, list) else [found]) if isinstance(one, Mapping)]


def _service(package: Mapping[str, Any], kind: ServiceType, prefix: str, currency: str) -> RemoteService | None:
    number = text_of(package.get("packageid")).strip()
    if not number or len(number) > MAX_ID or not number.isprintable():
        return None
    theirs = currency or read_currency(package.get("packagepricewithcurrency"))
    fields = folded(package.get("customfields")).get("customfield", package.get("customfields"))
    return RemoteService(
        remote_id=prefix + number,
        name=clean(text_of(package.get("packagetitle"))) or number,
        group=clean(text_of(package.get("category"))),
        type=kind,
        cost=read_amount(package.get("packageprice"), theirs),
        time=clean(text_of(package.get("timetaken"))),
        info=text_of(package.get("mustread")).strip(),
        fields=tuple(_fields(fields)),
    )


def _fields(node: object) -> Iterator[RemoteField]:
    seen = set()
    for item in map(folded, node if isinstance(node, list) else [node]):
        name = text_of(item.get("fieldlabel")) or text_of(item.get("fieldname"))
        if not name.strip() or name in seen or _said(item.get("useasimei")).lower() == "yes":
            continue
        seen.add(name)
        yield RemoteField(
            name,
            type=_TYPES.get(_said(item.get("fieldtype")).lower(), FieldType.TEXT),
            required=_said(item.get("mandatory")).lower() == "yes",
            description=clean(_said(item.get("fieldinfo"))),
            options=tuple(part.strip() for part in _said(item.get("fieldoptions")).split(",") if part.strip()),
        )


def _said(value: object) -> str:
    text = text_of(value).strip()
    return "" if text in _NOTHING else text


def _split(remote_id: str) -> tuple[str, str]:
    prefix = next((word for word in (_SERVER, _REMOTE) if remote_id.startswith(word)), "")
    return prefix, remote_id.removeprefix(prefix)
