"""Cek Ceir through its DHRU form endpoint, which takes the orders; what came of them is read over REST.

From their document: ``POST /api/dhru`` with ``username``, ``apiaccesskey``, ``action``, and ``parameters`` in JSON or
XML for placing or ``orderid`` as a field of the form for a status; "requestformat=XML returns XML. Any other value
returns JSON." Errors come with HTTP 200. "The API key is built as: <username>.<apiaccesskey>. If either field already
contains the full dotted key, the API accepts it." Two more paths only redirect to this one, and a POST that is
redirected loses its body, so they are never called.

The status reply is no result: ``{"STATUS": "4", "CODE": "completed", "REFERENCEID": "321", "MESSAGE": "Order
completed"}``, and 4 stands for "Success, completed, or partial". A customer who paid for an answer must not get the
word "completed", nor pay for the part that failed. So an order is read with ``GET /api/order/{id}`` and the same key.
Where that is refused, a 3 is still a refusal, but a 4 stays pending with a note for staff, and is never a result.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal
from xml.sax.saxutils import escape

from pydantic import Field, SecretStr, model_validator

from app.connectors._amounts import read_amount, read_currency
from app.connectors._cekceir import CURRENCY, REFUSALS, RestApi, is_wall, root
from app.connectors._cekceir import STATUSES as REST_STATUSES
from app.connectors._dhru_catalog import read_catalog
from app.connectors._dhru_reply import STATUSES, clean, error_text, folded, open_envelope, outcome, report, text_of
from app.connectors._xml import read_xml
from app.connectors.base import (
    Connector,
    ConnectorConfig,
    Placed,
    PlaceRequest,
    RemoteService,
    Report,
    ReportStatus,
)
from app.connectors.errors import RefusalReason, Refused, Unclear, Unsupported
from app.connectors.http import SupplierHttp
from app.money import Money

_ABOUT_US = frozenset({RefusalReason.BAD_CREDENTIALS, RefusalReason.BLOCKED, RefusalReason.THROTTLED})
_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ILLEGAL_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_LABEL_NOTE = (
    "they say {label!r}, which is no result, and the result cannot be read: {silence}. Give the key the permission"
    " order.read, or enter a REST API key that has it, or complete the order by hand"
)


class CekCeirDhruConfig(ConnectorConfig):
    """An API key at Cek Ceir, in the two halves that DHRU has fields for."""

    username: str = Field(
        min_length=1, max_length=200, title="Username", description="The part of the API key before its dot."
    )
    api_key: SecretStr = Field(
        min_length=1, max_length=500, title="API access key", description="The part behind the dot, or the whole key."
    )
    rest_api_key: SecretStr = Field(
        default=SecretStr(""),
        max_length=500,
        title="REST API key",
        description="Results are read with this whole, dotted key; only needed if the one above may not read orders.",
    )
    parameters: Literal["json", "xml"] = Field(default="json", title="Parameters")
    replies: Literal["json", "xml"] = Field(default="json", title="Replies")

    @model_validator(mode="after")
    def _keeps_the_key_secret(self) -> "CekCeirDhruConfig":
        key = self.api_key.get_secret_value()
        if key == self.username or ("." in self.username and self.username.endswith(f".{key}")):
            raise ValueError("the whole key belongs into the API access key; the username is the part before its dot")
        return self

    def rest_key(self) -> str:
        """The whole key for REST: the one given for it, else the one that the two halves make."""
        key = self.api_key.get_secret_value()
        return self.rest_api_key.get_secret_value() or (key if "." in key else f"{self.username}.{key}")


class CekCeirDhruConnector(Connector[CekCeirDhruConfig]):
    """Buys from Cek Ceir's DHRU endpoint, one IMEI an order.

    The shapes of their bulk calls are not published, so that none is made.
    """

    title = "Cek Ceir (DHRU)"
    config_type = CekCeirDhruConfig
    refusals = REFUSALS
    statuses: ClassVar[Mapping[str, ReportStatus]] = {**REST_STATUSES, **STATUSES}

    def __init__(self, config: CekCeirDhruConfig, http: SupplierHttp) -> None:
        super().__init__(config, http)
        self._url = f"{root(config.base_url)}/api/dhru"
        self._rest = RestApi(http, config.base_url, config.rest_key(), self.refusal, self.status_of)

    async def balance(self) -> Money:
        """Return the account's credit: "balance, email, currency, and username", in rupiah unless they say more."""
        success = self._success(await self._call("accountinfo", {}, buys=False))
        keys = ("accountinfo", "accoutinfo", "account")
        info = next((found for key in keys if (found := folded(success.get(key)))), success)
        currency = read_currency(info.get("currency")) or CURRENCY
        shown = (info[key] for key in ("creditraw", "balance", "credit") if key in info)
        amount = next(
            (micro for value in shown if (micro := read_amount(value, currency, signed=True)) is not None), None
        )
        if amount is None:
            raise Unclear("the account's credit cannot be read")
        return Money(amount, currency)

    async def catalog(self) -> Sequence[RemoteService]:
        """Return the IMEI services that this key may order, at prices in rupiah."""
        value = await self._call("imeiservicelist", {}, buys=False)
        self._success(value)
        return [replace(service, currency=CURRENCY) for service in read_catalog(value, CURRENCY)]

    async def place(self, request: PlaceRequest) -> Placed:
        """Order once: ``ID`` ("numeric service ID or service code") and ``IMEI``, then fields by their own names."""
        if request.quantity != 1 or not request.device:
            raise Refused(RefusalReason.BAD_INPUT, "one order is for one IMEI")
        order = {**request.fields, "ID": request.remote_id, "IMEI": request.device}
        value = await self._call("placeimeiorder", {"parameters": self._parameters(order)}, buys=True)
        result = outcome(value, request.remote_id, self.refusal)
        if isinstance(result, Placed):
            return result
        raise result

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return what REST says of one order, and what ``orderstatus`` says only where REST will not tell."""
        if len(remote_ids) != 1:
            raise Unsupported("one order is read at a time")
        try:
            return [await self._rest.order(remote_ids[0])]
        except Refused as refused:
            if refused.reason in {RefusalReason.BLOCKED, RefusalReason.THROTTLED}:
                raise
            return [await self._status(remote_ids[0], refused.text)]

    async def _status(self, remote_id: str, silence: str) -> Report:
        value = await self._call("orderstatus", {"orderid": remote_id}, buys=False)
        envelope = open_envelope(value)
        error = envelope.only_error()
        if error is not None and self.refusal(error) in _ABOUT_US:
            raise Refused(self.refusal(error), error)
        said = report(remote_id, value, self.status_of)
        if said.status is ReportStatus.PENDING:
            return said
        elements = envelope.success if isinstance(envelope.success, list) else [envelope.success]
        row = folded(elements[0])
        if said.status is ReportStatus.DONE:
            label = clean(text_of(row.get("code")) or text_of(row.get("message")), 60)
            note = _LABEL_NOTE.format(label=label, silence=silence)[:500]
            return Report(remote_id, ReportStatus.PENDING, note=note)
        # Here too CODE is a label; the reason is in MESSAGE.
        return replace(said, text=clean(text_of(row.get("message"))) or said.text)

    async def _call(self, action: str, arguments: Mapping[str, str], *, buys: bool) -> Any:
        form = {
            "username": self.config.username,
            "apiaccesskey": self.config.api_key.get_secret_value(),
            "action": action,
            "requestformat": self.config.replies.upper(),
            **arguments,
        }
        reply = await self.http.send("POST", self._url, buys=buys, form=form)
        value = read_xml(reply.text) if self.config.replies == "xml" else None
        # What is no XML may be JSON all the same, or a firewall's page.
        return reply.json() if value is None else value

    def _parameters(self, order: Mapping[str, str]) -> str:
        # XML has no way to say a name with a blank in it.
        if self.config.parameters == "json" or not all(map(_XML_NAME.fullmatch, order)):
            return json.dumps(order)
        inner = (f"<{name}>{escape(_ILLEGAL_IN_XML.sub('', value))}</{name}>" for name, value in order.items())
        return f"<PARAMETERS>{''.join(inner)}</PARAMETERS>"

    def _success(self, value: object) -> Mapping[str, Any]:
        """The first element of SUCCESS; ``Refused`` for an ERROR, ``Unclear`` for what is neither."""
        envelope = open_envelope(value)
        if (text := envelope.only_error()) is not None:
            raise Refused(self.refusal(text), text)
        if envelope.success is None:
            message = error_text(envelope.body.get("message"))
            if is_wall(message):
                raise Refused(RefusalReason.BLOCKED, message)
            raise Unclear(f"the reply is not in the supplier's format: {message}"[:500])
        first = envelope.success[0] if isinstance(envelope.success, list) else envelope.success
        return folded(first)
