"""Any supplier that speaks DHRU Fusion: one endpoint, an action, and parameters in XML or JSON.

The replies of a dozen server families are read (``_dhru_reply``, ``_dhru_catalog``); requests are made the way DHRU's
own client kit and panel module make them, because every server was tried with those.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import escape

from pydantic import Field, SecretStr, field_validator

from app.connectors._amounts import read_amount, read_currency
from app.connectors._dhru_catalog import LEGACY_FIELDS, read_catalog
from app.connectors._dhru_dialects import TITLES, recognise
from app.connectors._dhru_reply import (
    MAX_TEXT,
    error_text,
    folded,
    is_unknown_action,
    open_envelope,
    order_id,
    outcome,
    report,
    rows,
    text_of,
)
from app.connectors.base import Connector, ConnectorConfig, Placed, PlaceRequest, RemoteService, Report
from app.connectors.errors import RefusalReason, Refused, Unclear, Unsupported
from app.connectors.http import SupplierHttp
from app.money import Money, check_currency

_ABOUT_US = frozenset({RefusalReason.BAD_CREDENTIALS, RefusalReason.BLOCKED, RefusalReason.THROTTLED})
"""Refusals of the whole call, spoken before any order in it was looked at."""

_LEGACY_PARAMETERS = {name: name for name in LEGACY_FIELDS.values()} | {"Mobile": "MODELID", "Provider": "PROVIDERID"}
"""Under which parameter a legacy field is sent back."""

_ILLEGAL_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


class DhruConfig(ConnectorConfig):
    """An account at a supplier that speaks DHRU Fusion."""

    username: str = Field(min_length=1, max_length=200, title="Username")
    api_key: SecretStr = Field(min_length=1, max_length=500, title="API access key")
    currency: str = Field(
        default="", title="Currency", description="Only if the supplier does not name the account's currency, e.g. USD."
    )
    bulk: bool = Field(default=True, title="Bulk calls", description="Off: one order per request.")
    body: Literal["form", "multipart"] = Field(default="form", title="Body")
    parameters: Literal["xml", "base64", "json"] = Field(
        default="xml",
        title="Parameters of single calls",
        description="XML as panels send it; base64 JSON for servers built on DHRU's published 6.1 sample.",
    )

    @field_validator("currency")
    @classmethod
    def _is_currency(cls, value: str) -> str:
        return check_currency(value.upper()) if value else ""


class DhruConnector(Connector[DhruConfig]):
    """Buys from a DHRU Fusion supplier, in bulk where it can."""

    title = "DHRU Fusion"
    config_type = DhruConfig
    check_batch = 100
    place_batch = 50
    paths = ("/api/index.php", "/public/api.php", "/api.php", "/index.php", "/dhru/api/index.php", "/dhru_api.php")
    refusals: ClassVar[Mapping[str, RefusalReason]] = {
        # "Invalid IP Request", "Your Server IP is not allowed…", firewalls that answer in JSON.
        "invalid ip": RefusalReason.BLOCKED,
        "ip is not allowed": RefusalReason.BLOCKED,
        "whitelist": RefusalReason.BLOCKED,
        "imunify": RefusalReason.BLOCKED,
        "bot protection": RefusalReason.BLOCKED,
        "cloudflare": RefusalReason.BLOCKED,
        "forbidden": RefusalReason.BLOCKED,
        "access denied": RefusalReason.BLOCKED,
        # "You are calling this API too frequently!…"; a site in maintenance wants the same: later.
        "too frequently": RefusalReason.THROTTLED,
        "too many": RefusalReason.THROTTLED,
        "rate limit": RefusalReason.THROTTLED,
        "maintenance": RefusalReason.THROTTLED,
        # "ValidationError123: ,This IMEI is already available or pending in your Account"; "IMEI already exists!"
        "already": RefusalReason.DUPLICATE,
        "duplicate": RefusalReason.DUPLICATE,
        # "CreditprocessError: error:<li>…</li>", in any language; "Not enough credits"; "Insufficient Credits!"
        "creditprocess": RefusalReason.NO_FUNDS,
        "credit process": RefusalReason.NO_FUNDS,
        "insufficient": RefusalReason.NO_FUNDS,
        "not enough credit": RefusalReason.NO_FUNDS,
        "not enough balance": RefusalReason.NO_FUNDS,
        "credits have been finished": RefusalReason.NO_FUNDS,
        # "Authentication Failed"; "Invalid User!"; "Invalid API Key!"; "Invalid access."
        "authentication failed": RefusalReason.BAD_CREDENTIALS,
        "invalid user!": RefusalReason.BAD_CREDENTIALS,
        "invalid api key": RefusalReason.BAD_CREDENTIALS,
        "invalid access": RefusalReason.BAD_CREDENTIALS,
        "access key": RefusalReason.BAD_CREDENTIALS,
        # "Service Not Active"; "Service not found or inactive."; "Invalid IMEI tool."; "No tool found"; "NoResultFound"
        "service not": RefusalReason.SERVICE_OFF,
        "inactive": RefusalReason.SERVICE_OFF,
        "invalid imei tool": RefusalReason.SERVICE_OFF,
        "no tool found": RefusalReason.SERVICE_OFF,
        "noresultfound": RefusalReason.SERVICE_OFF,
        "disabled": RefusalReason.SERVICE_OFF,
        # "ValidationError<br/>" with a quantity range; "Invalid IMEI![…]"; "Parameter 'ID' Required"
        "validationerror": RefusalReason.BAD_INPUT,
        "invalid imei": RefusalReason.BAD_INPUT,
        "invalid serial": RefusalReason.BAD_INPUT,
        "required": RefusalReason.BAD_INPUT,
        "customfield": RefusalReason.BAD_INPUT,
        "quantity": RefusalReason.BAD_INPUT,
    }

    def __init__(self, config: DhruConfig, http: SupplierHttp) -> None:
        super().__init__(config, http)
        self._url = endpoint(config.base_url)
        self._currency = config.currency
        if not config.bulk:
            self.place_batch = self.check_batch = 1

    async def balance(self) -> Money:
        """Return the account's credit, as ``AccoutInfo`` (sic) or any newer spelling tells it.

        ``{"SUCCESS": [{"message": "Your Accout Info", "AccoutInfo": {"credit": "$61,195.601 ", "creditraw":
        "61195.601", "mail": "…", "currency": "USD"}}]}``. Raises ``Unclear`` if amount or currency cannot be told.
        """
        body = self._success(await self._call("accountinfo", {}, buys=False))
        info = next(
            (found for key in ("accoutinfo", "accountinfo", "account") if (found := folded(body.get(key)))), body
        )
        shown = next((info[key] for key in ("credit", "balance", "credits") if key in info), None)
        currency = self.config.currency or read_currency(info.get("currency"), shown)
        if not currency:
            raise Unclear("the supplier does not name the account's currency; set it in the supplier's settings")
        amount = read_amount(info.get("creditraw"), currency, signed=True)
        if amount is None:
            amount = read_amount(shown, currency, signed=True)
        if amount is None:
            raise Unclear("the account's credit cannot be read")
        self._currency = currency
        return Money(amount, currency)

    async def catalog(self) -> Sequence[RemoteService]:
        """Return the IMEI, server and remote services of this account."""
        value = await self._call("imeiservicelist", {}, buys=False)
        self._raise_error(value)
        return read_catalog(value, self._currency)

    async def place(self, request: PlaceRequest) -> Placed:
        """Order once; an ERROR of theirs is ``Refused`` unless it speaks of a time-out behind them."""
        order = _order(request, xml=self.config.parameters == "xml")
        value = await self._call("placeimeiorder", order, buys=True)
        result = outcome(value, request.remote_id, self.refusal)
        if isinstance(result, Placed):
            return result
        raise result

    async def place_many(self, requests: Sequence[PlaceRequest]) -> Mapping[str, Placed | Refused | Unclear]:
        """Order up to 50 with ``placeimeiorderbulk``, keyed by our references.

        An ERROR for the whole call is ``Refused`` for all only if it is about us (key, address, rate), which servers
        look at first. Any other may have been spoken half-way through the rows, so each of them is unclear.
        """
        if self.place_batch == 1:
            raise Unsupported("bulk placing is off")
        by_reference = {request.reference: request for request in requests}
        value = await self._call_bulk(
            "placeimeiorderbulk", {request.reference: _order(request, xml=False) for request in requests}, buys=True
        )
        devices = [request.device for request in requests]
        by_device = {
            request.device: request.reference
            for request in requests
            if request.device and devices.count(request.device) == 1
        }
        found: dict[str, Placed | Refused | Unclear] = {}
        for reference, row in rows(value, by_reference, lambda row: by_device.get(text_of(row.get("imei")), "")):
            result = outcome(row, by_reference[reference].remote_id, self.refusal)
            found[reference] = _agreed(found[reference], result) if reference in found else result
        if not found:
            self._raise_whole_error(value, lone=len(requests) == 1)
        return _each_id_once({name: found.get(name) or Unclear("no answer for this order") for name in by_reference})

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return what ``getimeiorder`` or ``getimeiorderbulk`` says; an ERROR for an order is pending with a note.

        An ERROR that is about us (key, address, rate) is raised as ``Refused``.
        """
        if len(remote_ids) == 1:
            value = await self._call("getimeiorder", {"ID": remote_ids[0]}, buys=False)
            error = open_envelope(value).only_error()
            if error is not None and self.refusal(error) in _ABOUT_US:
                raise Refused(self.refusal(error), error)
            by_id = [row for _, row in rows(value, remote_ids, order_id)]
            return [report(remote_ids[0], by_id[0] if len(by_id) == 1 else value)]
        if self.check_batch == 1:
            raise Unsupported("bulk status is off")
        value = await self._call_bulk("getimeiorderbulk", {name: {"ID": name} for name in remote_ids}, buys=False)
        reports: dict[str, Report] = {}
        for remote_id, row in rows(value, set(remote_ids), order_id):
            reports.setdefault(remote_id, report(remote_id, row))
        if not reports:
            self._raise_error(value)
        return list(reports.values())

    @classmethod
    async def knock(cls, http: SupplierHttp, root: str) -> str:
        """Return the title of the dialect that answers ``accountinfo`` without credentials, wherever on the site."""
        for path in cls.paths:
            try:
                reply = await http.send("POST", root + path, buys=False, form={"action": "accountinfo"})
            except (Refused, Unclear):
                continue
            if found := recognise(reply.text, reply.headers):
                return TITLES[found]
        return ""

    async def _call_bulk(self, action: str, keyed: Mapping[str, Mapping[str, str]], *, buys: bool) -> Any:
        """One bulk call; ``Unsupported``, and single ones from now on, if they do not know the action."""
        value = await self._send(action, _base64_json(keyed), buys=buys)
        error = open_envelope(value).only_error()
        if error is not None and is_unknown_action(error):
            if buys:
                self.place_batch = 1
            else:
                self.check_batch = 1
            raise Unsupported(f"{action}: {error}"[:MAX_TEXT])
        return value

    async def _call(self, action: str, parameters: Mapping[str, str], *, buys: bool) -> Any:
        if self.config.parameters == "xml":
            return await self._send(action, _xml(parameters), buys=buys)
        text = json.dumps(parameters) if self.config.parameters == "json" else _base64_json(parameters)
        return await self._send(action, text, buys=buys)

    async def _send(self, action: str, parameters: str, *, buys: bool) -> Any:
        form = {
            "username": self.config.username,
            "apiaccesskey": self.config.api_key.get_secret_value(),
            "action": action,
            "requestformat": "JSON",
            "parameters": parameters,
        }
        body: dict[str, Any] = {"multipart" if self.config.body == "multipart" else "form": form}
        reply = await self.http.send("POST", self._url, buys=buys, **body)
        value = reply.json()
        if reply.status == 429 and (message := text_of(folded(value).get("message"))):
            # GSM EYE: {"message": "Too Many Attempts."} with 429, before its application sees the request.
            raise Refused(RefusalReason.THROTTLED, error_text(message))
        return value

    def _success(self, value: object) -> Mapping[str, Any]:
        self._raise_error(value)
        success = open_envelope(value).success
        first = success[0] if isinstance(success, list) else success
        return folded(first if isinstance(first, Mapping) else value)

    def _raise_error(self, value: object) -> None:
        """Raise what a reply to a reading call says if it is an ERROR, or if it is no reply of DHRU's at all."""
        envelope = open_envelope(value)
        if (text := envelope.only_error()) is not None:
            raise Refused(self.refusal(text), text)
        if envelope.success is None:
            message = error_text(envelope.body.get("message"))
            if self.refusal(message) in _ABOUT_US:
                # A firewall that answers in JSON: {"message": "Access denied by Imunify360 bot-protection…"}
                raise Refused(self.refusal(message), message)
            raise Unclear("the reply is not in the supplier's format")

    def _raise_whole_error(self, value: object, *, lone: bool) -> None:
        text = open_envelope(value).only_error()
        if text is not None and (lone or self.refusal(text) in _ABOUT_US):
            result = outcome(value, "", self.refusal)
            if isinstance(result, Refused):
                raise result
        raise Unclear(f"no answer for any order: {text or 'not in their format'}"[:MAX_TEXT])


def endpoint(base_url: str) -> str:
    """Return the URL to post to: a full endpoint as it is, else the site's ``/api/index.php``."""
    parts = urlsplit(base_url)
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    if not path.endswith(".php") and not re.search(r"/api/.", path):
        path = f"{path.removesuffix('/api')}/api/index.php"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _order(request: PlaceRequest, *, xml: bool) -> dict[str, str]:
    """The parameters of one order: as tags of XML, else for JSON."""
    parameters = {"ID": request.remote_id}
    if request.device:
        parameters["IMEI"] = request.device
    parameters["QNT"] = str(request.quantity)
    for name, value in request.fields.items():
        if name in _LEGACY_PARAMETERS:
            parameters[_LEGACY_PARAMETERS[name]] = value
    if request.fields:
        # A legacy name may also be a custom field's, so it goes both ways; servers ignore what they did not ask for.
        encoded = _base64_json(request.fields)
        parameters["CUSTOMFIELD"] = encoded
        if not xml:
            # The published 6.1 sample and the panel module spell it like this in JSON.
            parameters["customfield"] = encoded
    return parameters


def _xml(parameters: Mapping[str, str]) -> str:
    """``<PARAMETERS><ID>1</ID>…</PARAMETERS>``: upper-case tags, no attributes, one level."""
    inner = "".join(
        f"<{name.upper()}>{escape(_ILLEGAL_IN_XML.sub('', value))}</{name.upper()}>"
        for name, value in parameters.items()
    )
    return f"<PARAMETERS>{inner}</PARAMETERS>"


def _base64_json(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def _agreed(one: Placed | Refused | Unclear, other: Placed | Refused | Unclear) -> Placed | Refused | Unclear:
    """What two rows about the same order say together; a hybrid reply says everything twice."""
    if isinstance(one, Placed) and isinstance(other, Placed):
        return one if one == other else Unclear("two order ids for one order")
    if isinstance(one, Refused) and isinstance(other, Refused):
        return one
    if isinstance(one, Refused) or isinstance(other, Refused):
        return Unclear("two answers for one order that contradict each other")
    return one if isinstance(one, Placed) else other


def _each_id_once(
    found: Mapping[str, Placed | Refused | Unclear],
) -> Mapping[str, Placed | Refused | Unclear]:
    """An order id that came for two orders belongs to one of them at most, so both are unclear."""
    ids = [result.remote_id for result in found.values() if isinstance(result, Placed)]
    twice = {name for name in ids if ids.count(name) > 1}
    return {
        reference: Unclear(f"the supplier gave order id {result.remote_id} twice")
        if isinstance(result, Placed) and result.remote_id in twice
        else result
        for reference, result in found.items()
    }
