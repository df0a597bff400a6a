"""iSave's DHRU bridge: DHRU's actions and envelope, but forms of its own.

"POST https://…/api/dhru_bridge" with ``apiaccesskey`` and ``action``; a user name is optional and not sent. A status
call has the order number in the top-level field ``ID``, a bulk one in ``IDS``; a bulk order is ``<REQUEST><ORDER>…``,
without keys of ours. Service ids are words ("gsx"). No reply is shown in their document, so all that DHRU servers were
seen to send is read.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from xml.sax.saxutils import escape

from pydantic import Field

from app.connectors._amounts import read_amount, read_currency
from app.connectors._dhru_catalog import read_catalog
from app.connectors._dhru_reply import (
    STATUSES,
    error_text,
    folded,
    is_unknown_action,
    open_envelope,
    order_id,
    outcome,
    refuse,
    report,
    rows,
    text_of,
)
from app.connectors._isave import REFUSALS, RESERVED, IsaveConfig, endpoint, is_imei, readable, unfit
from app.connectors._reply import find_json
from app.connectors.base import Connector, Placed, PlaceRequest, RemoteService, Report
from app.connectors.errors import RefusalReason, Refused, Unclear, Unsupported
from app.connectors.http import SupplierHttp
from app.money import Money

_ABOUT_US = frozenset({RefusalReason.BAD_CREDENTIALS, RefusalReason.BLOCKED, RefusalReason.THROTTLED})
"""Refusals of the whole call, spoken before any order in it was looked at."""

_WORDS = frozenset({"success", "completed", "complete", "done", "ok"})
"""What stands where a result is due when the result stands elsewhere."""

_ILLEGAL_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_MAX_DEPTH = 6

Outcome = Placed | Refused | Unclear


class IsaveDhruConfig(IsaveConfig):
    """An account at iSave, used through the bridge."""

    bulk: bool = Field(
        default=False,
        title="Bulk orders",
        description="Order several checks in one request. Their document shows no reply to one, so try it first.",
    )


class IsaveDhruConnector(Connector[IsaveDhruConfig]):
    """Buys checks from iSave through the bridge, one by one unless bulk is asked for, and polls for the results."""

    title = "iSave DHRU bridge"
    config_type = IsaveDhruConfig
    check_batch = 50
    refusals: ClassVar[Mapping[str, RefusalReason]] = REFUSALS
    statuses = STATUSES

    def __init__(self, config: IsaveDhruConfig, http: SupplierHttp) -> None:
        super().__init__(config, http)
        self._url = endpoint(config.base_url, "/api/dhru_bridge")
        self.place_batch = 20 if config.bulk else 1

    async def balance(self) -> Money:
        """Return the account's credit, in the spelling of DHRU 6.1 (``AccoutInfo``) or any other."""
        value = await self._read("accountinfo")
        success = open_envelope(value).success
        first = folded(success[0] if isinstance(success, list) else success)
        info = next(
            (found for key in ("accoutinfo", "accountinfo", "account") if (found := folded(first.get(key)))), first
        )
        shown = next((info[key] for key in ("creditraw", "credit", "credits", "balance") if key in info), None)
        currency = read_currency(info.get("currency"), info.get("credit"), info.get("balance"))
        amount = read_amount(shown, currency, signed=True)
        if amount is None or not currency:
            raise Unclear("the account's credit cannot be read")
        return Money(amount, currency)

    async def catalog(self) -> Sequence[RemoteService]:
        """Return the services of this key, all of which take an IMEI or a serial number."""
        services = read_catalog(await self._read("imeiservicelist"), "")
        return tuple(
            replace(service, takes_serial=True)
            for service in services
            if service.remote_id.strip().lower() not in RESERVED
        )

    async def place(self, request: PlaceRequest) -> Placed:
        """Order once: ``<PARAMETERS><ID>gsx</ID><IMEI>…</IMEI></PARAMETERS>``, a serial number in ``<SN>``."""
        if refusal := unfit(request):
            raise refusal
        parameters = f"<PARAMETERS>{_order(request)}</PARAMETERS>"
        value = await self._send("placeimeiorder", buys=True, parameters=parameters)
        result = outcome(value, request.remote_id, self.refusal)
        if isinstance(result, Placed):
            return result
        raise result

    async def place_many(self, requests: Sequence[PlaceRequest]) -> Mapping[str, Outcome]:
        """Order up to 20 at once; a row of the reply is ours if it names our device, in whatever shape it comes.

        ``Unsupported`` where two orders are for one device, because their rows could not be told apart.
        """
        found: dict[str, Outcome] = {request.reference: no for request in requests if (no := unfit(request))}
        fit = {request.device.strip(): request for request in requests if request.reference not in found}
        if self.place_batch == 1 or len(fit) + len(found) < len(requests):
            self.place_batch = 1
            raise Unsupported("these orders can only be placed one by one")
        if not fit:
            return found
        inner = "".join(f"<ORDER>{_order(request)}</ORDER>" for request in fit.values())
        value = await self._send("placeimeiorderbulk", buys=True, parameters=f"<REQUEST>{inner}</REQUEST>")
        error = open_envelope(value).only_error()
        if error is not None and is_unknown_action(error):
            self.place_batch = 1
            raise Unsupported(error)
        answers: dict[str, list[Outcome]] = {request.reference: [] for request in fit.values()}
        for device, row in rows(_unnumbered(value), fit, _device_in):
            answers[fit[device].reference].append(outcome(row, fit[device].remote_id, self.refusal))
        if error is not None and not any(answers.values()) and (len(fit) == 1 or self.refusal(error) in _ABOUT_US):
            # Any other ERROR for the whole call may have been spoken half-way through the orders.
            return found | {reference: refuse(error, self.refusal) for reference in answers}
        return found | _certain(answers)

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return what ``getimeiorder`` or ``getimeiorderbulk`` says; an ERROR for an order is pending with a note.

        "3: show REPLY to the user"; "4: display data from REPLY or parse CODE". Code 0 is not in their table and means
        what it means to every DHRU client: pending. An ERROR that is about us (key, address) is raised as ``Refused``.
        """
        if len(remote_ids) == 1:
            value = await self._send("getimeiorder", buys=False, ID=remote_ids[0])
            self._raise_about_us(value)
            named = [row for _, row in rows(value, remote_ids, order_id)]
            return [report(remote_ids[0], _with_result(named[0] if len(named) == 1 else value), self.status_of)]
        if self.check_batch == 1:
            raise Unsupported("no bulk status")
        value = await self._send("getimeiorderbulk", buys=False, IDS=",".join(remote_ids))
        self._raise_about_us(value)
        reports: dict[str, Report] = {}
        for remote_id, row in rows(value, set(remote_ids), order_id):
            reports.setdefault(remote_id, report(remote_id, _with_result(row), self.status_of))
        if not reports:
            # No such call, or an answer in a shape that nobody has seen: asked like this, the orders would never end.
            self.check_batch = 1
            raise Unsupported("the bulk status names none of the orders")
        return list(reports.values())

    async def _read(self, action: str) -> Any:
        """Make a reading call and return its reply if that is a SUCCESS."""
        value = await self._send(action, buys=False)
        self._raise_about_us(value)
        envelope = open_envelope(value)
        if (text := envelope.only_error()) is not None:
            raise Refused(self.refusal(text), text)
        if envelope.success is None:
            raise Unclear("the reply is not in the supplier's format")
        return value

    def _raise_about_us(self, value: object) -> None:
        """Raise ``Refused`` if the reply to a reading call speaks of our key, address or rate, as firewalls do too."""
        envelope = open_envelope(value)
        text = envelope.only_error() or ""
        if envelope.success is None and envelope.error is None:
            text = text_of(envelope.body.get("message"))
        if text and self.refusal(text) in _ABOUT_US:
            raise Refused(self.refusal(text), error_text(text))

    async def _send(self, action: str, *, buys: bool, **fields: str) -> Any:
        form = {"apiaccesskey": self.config.api_key.get_secret_value(), "action": action, "requestformat": "JSON"}
        reply = await self.http.send("POST", self._url, buys=buys, form={**form, **fields})
        return reply.json()


def _order(request: PlaceRequest) -> str:
    """``<ID>gsx</ID><IMEI>…</IMEI>``. "Can I check by serial number? Yes. In DHRU XML use <SN></SN>."""
    device = request.device.strip()
    tag = "IMEI" if is_imei(device) else "SN"
    return f"<ID>{_xml(request.remote_id)}</ID><{tag}>{_xml(device)}</{tag}>"


def _xml(text: str) -> str:
    return escape(_ILLEGAL_IN_XML.sub("", text))


def _unnumbered(value: object) -> object:
    """A bulk reply whose rows the server has counted as a list of them: a number is no name of an order of ours."""
    if isinstance(value, list):
        return {"SUCCESS": value}
    if not isinstance(value, Mapping):
        return value
    counted = [row for key, row in value.items() if _is_number(key) and isinstance(row, dict | list)]
    if counted:
        return {"SUCCESS": counted}
    return {
        key: list(part.values()) if isinstance(part, Mapping) and part and all(map(_is_number, part)) else part
        for key, part in value.items()
    }


def _is_number(key: object) -> bool:
    return len(str(key)) < 5 and str(key).isdigit()


def _device_in(row: Mapping[str, Any]) -> str:
    """The device that a row of a bulk reply names itself, or in its SUCCESS or ERROR; keys in lower case."""
    parts = [
        row,
        *(part[0] if isinstance(part, list) and part else part for part in (row.get("success"), row.get("error"))),
    ]
    return next(
        (name for part in map(folded, parts) for key in ("imei", "sn") if (name := text_of(part.get(key)).strip())), ""
    )


def _certain(answers: Mapping[str, Sequence[Outcome]]) -> dict[str, Outcome]:
    """What the rows of each order say together; an order id that came for two orders belongs to neither."""
    ids = [one.remote_id for found in answers.values() for one in {o for o in found if isinstance(o, Placed)}]
    result: dict[str, Outcome] = {}
    for reference, found in answers.items():
        placed = {one for one in found if isinstance(one, Placed)}
        refused = [one for one in found if isinstance(one, Refused)]
        if len(refused) == len(found) > 0:
            result[reference] = refused[0]
        elif len(placed) == 1 and not refused and ids.count(min(one.remote_id for one in placed)) == 1:
            result[reference] = placed.pop()
        else:
            result[reference] = Unclear("no certain answer for this order" if found else "no answer for this order")
    return result


def _with_result(node: object, depth: int = 0) -> object:
    """A status row with the result where the DHRU reader looks for it first, as text.

    The result is in REPLY or in CODE, and there it may be JSON; a mere "Success" in one of them is passed over.
    """
    if isinstance(node, list) and depth < _MAX_DEPTH:
        return [_with_result(item, depth + 1) for item in node]
    if not isinstance(node, Mapping) or depth >= _MAX_DEPTH:
        return node
    body = folded(node)
    if "status" not in body:
        return {key: _with_result(item, depth + 1) for key, item in node.items()}
    texts = [text for key in ("reply", "code") if (text := _result(body.get(key)))]
    best = next((text for text in texts if text.lower() not in _WORDS), texts[0] if texts else "")
    return {**body, "code": best, "reply": ""}


def _result(value: object) -> str:
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        found = find_json(value)
        value = value if found is None else found
    return readable(value) or text_of(value).strip()
