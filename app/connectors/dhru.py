"""Any supplier that speaks DHRU Fusion or one of its dialects: one endpoint, an action, parameters in XML or JSON.

The replies of a dozen server families are read (``_dhru_reply``, ``_dhru_catalog``); requests are made the way DHRU's
own client kit and panel module make them, because every server was tried with those. What dialects do differently lies
in a module each; which one a supplier speaks is set, or learned from its replies to calls that read.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from app.connectors._amounts import read_amount, read_currency
from app.connectors._dhru_catalog import FILE_PREFIX, read_catalog, read_file_catalog
from app.connectors._dhru_devices import DeviceReading
from app.connectors._dhru_dialects import TITLES, Dialect, dialect_of, recognise
from app.connectors._dhru_gsmfusion import FOLDER, GsmFusion
from app.connectors._dhru_hub import PREFIX, server_order, server_services
from app.connectors._dhru_parameters import base64_json, endpoint, order_parameters, xml_parameters
from app.connectors._dhru_refusals import REFUSALS
from app.connectors._dhru_reply import (
    MAX_TEXT,
    STATUSES,
    agreed,
    each_id_once,
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
from app.connectors.base import (
    Choice,
    Connector,
    ConnectorConfig,
    DeviceCatalog,
    Placed,
    PlaceRequest,
    RemoteService,
    Report,
    ReportStatus,
    ServiceType,
)
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear, Unsupported
from app.connectors.http import SupplierHttp
from app.money import Money, check_currency

FUSION_BATCH = 20
"""How many orders one check of GSM Fusion carries: those of server services are asked after one by one."""

_ABOUT_US = frozenset({RefusalReason.BAD_CREDENTIALS, RefusalReason.BLOCKED, RefusalReason.THROTTLED})
"""Refusals of the whole call, spoken before any order in it was looked at."""


class DhruConfig(ConnectorConfig):
    """An account at a supplier that speaks DHRU Fusion."""

    username: str = Field(min_length=1, max_length=200, title="Username")
    api_key: SecretStr = Field(min_length=1, max_length=500, title="API access key")
    currency: str = Field(
        default="", title="Currency", description="Only if the supplier does not name the account's currency, e.g. USD."
    )
    dialect: Literal["auto", "classic", "gsmtheme", "gsmeye", "gsmhub", "gsmfusion"] = Field(
        default="auto",
        title="Dialect",
        description="Auto learns it from what the supplier answers; GSM Fusion is known by its path gsmfusion_api.",
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
    """Buys from a DHRU Fusion supplier, in bulk where it can; files one by one."""

    title = "DHRU Fusion"
    config_type = DhruConfig
    check_batch = 100
    place_batch = 50
    paths = (
        *("/api/index.php", "/public/api.php", "/api.php", "/index.php", "/dhru/api/index.php", "/dhru_api.php"),
        "/gsmfusion_api/index.php",
    )
    refusals = REFUSALS
    statuses = STATUSES

    def __init__(self, config: DhruConfig, http: SupplierHttp) -> None:
        super().__init__(config, http)
        self._url = endpoint(config.base_url)
        self._currency = config.currency
        self._dialect = None if config.dialect == "auto" else Dialect(config.dialect)
        if self._dialect is None and f"/{FOLDER}" in config.base_url.lower():
            self._dialect = Dialect.GSM_FUSION
        self._fusion: GsmFusion | None = None
        if self._dialect is Dialect.GSM_FUSION:
            keys = {"userId": config.username, "apiKey": config.api_key.get_secret_value()}
            self._fusion = GsmFusion(
                http,
                base_url=config.base_url,
                credentials=keys,
                currency=config.currency,
                classify=self.refusal,
                override=self._known_better,
            )
        self._lists_ids = self._dialect is Dialect.GSM_THEME
        self._adapt()

    def _known_better(self, word: str) -> ReportStatus | None:
        return self.wording.statuses.get(word)

    def _adapt(self) -> None:
        if not self.config.bulk or self._dialect is Dialect.GSM_HUB:
            self.place_batch = self.check_batch = 1
        if self._dialect is Dialect.GSM_FUSION:
            self.place_batch = 1
            self.check_batch = min(self.check_batch, FUSION_BATCH)

    def _learn(self, value: object, headers: Mapping[str, str]) -> None:
        """Take over the dialect that a reply to a reading call shows; classic is what we speak until then."""
        if self._dialect is None and (found := dialect_of(value, headers)) not in {None, Dialect.CLASSIC}:
            self._dialect = found
            self._lists_ids = found is Dialect.GSM_THEME
            self._adapt()

    async def balance(self) -> Money:
        """Return the account's credit, as ``AccoutInfo`` (sic) or any newer spelling tells it.

        ``{"SUCCESS": [{"message": "Your Accout Info", "AccoutInfo": {"credit": "$61,195.601 ", "creditraw":
        "61195.601", "mail": "…", "currency": "USD"}}]}``. Raises ``Unclear`` if amount or currency cannot be told.
        """
        if self._fusion:
            return await self._fusion.balance()
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
        """Return the IMEI, server, remote and file services of this account."""
        if self._fusion:
            return await self._fusion.catalog()
        value = await self._call("imeiservicelist", {}, buys=False)
        self._raise_error(value)
        services = read_catalog(value, self._currency)
        if self._dialect in {None, Dialect.CLASSIC}:
            return (*services, *await self._file_services())
        if self._dialect is not Dialect.GSM_HUB:
            return services
        servers = await self._call("serverservicelist", {}, buys=False)
        self._raise_error(servers)
        types = await self._call("serverservicetypelist", {}, buys=False)
        return (*services, *server_services(servers, types, self._currency))

    async def _file_services(self) -> Sequence[RemoteService]:
        try:
            return read_file_catalog(await self._call("fileservicelist", {}, buys=False), self._currency)
        except (NotSent, Refused, Unclear):
            # Most servers have no such call and say so in every way there is; the others' services come again with the
            # next reading.
            return ()

    async def device_catalog(
        self, asking: Mapping[str, Collection[Choice]] = MappingProxyType({}), done: Collection[str] = ()
    ) -> DeviceCatalog:
        """Return what ``modellist`` and ``providerlist`` say of the services that ask, and ``meplist`` of all."""
        if self._fusion:
            raise Unsupported("GSM Fusion's lists are not documented")
        own = {name: choices for name, choices in asking.items() if not name.startswith((FILE_PREFIX, PREFIX))}
        return await DeviceReading(self._read).read(own, done)

    async def _read(self, action: str, parameters: Mapping[str, str]) -> Any:
        value = await self._call(action, parameters, buys=False)
        self._raise_error(value)
        return value

    async def place(self, request: PlaceRequest) -> Placed:
        """Order once; an ERROR of theirs is ``Refused`` unless it speaks of a time-out behind them."""
        if self._fusion:
            return await self._fusion.place(request)
        prefix, action = "", "placeimeiorder"
        if self._is_hub(request.remote_id):
            prefix, action, order = PREFIX, "placeserverorder", server_order(request)
        else:
            order = order_parameters(request, xml=self._in_xml)
            if request.type is ServiceType.FILE:
                prefix, action = FILE_PREFIX, "placefileorder"
        result = outcome(await self._call(action, order, buys=True), order["ID"], self.refusal)
        if not isinstance(result, Placed):
            raise result
        return replace(result, remote_id=prefix + result.remote_id)

    async def place_many(self, requests: Sequence[PlaceRequest]) -> Mapping[str, Placed | Refused | Unclear]:
        """Order up to 50 with ``placeimeiorderbulk``, keyed by our references.

        An ERROR for the whole call is ``Refused`` for all only if it is about us (key, address, rate), which servers
        look at first. Any other may have been spoken half-way through the rows, so each of them is unclear.
        """
        if any(self._is_hub(request.remote_id) for request in requests):
            self.place_batch = 1
        if self.place_batch == 1:
            raise Unsupported("bulk placing is off")
        by_reference = {request.reference: request for request in requests}
        # GSM Theme's later servers know bulk placing under a name of their own, its earlier ones not at all.
        action = "placebulkorder" if self._dialect is Dialect.GSM_THEME else "placeimeiorderbulk"
        value = await self._call_bulk(
            action, {request.reference: order_parameters(request, xml=False) for request in requests}, buys=True
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
            found[reference] = agreed(found[reference], result) if reference in found else result
        if not found:
            self._raise_whole_error(value, lone=len(requests) == 1)
        return each_id_once({name: found.get(name) or Unclear("no answer for this order") for name in by_reference})

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return what ``getimeiorder`` or ``getimeiorderbulk`` says; an ERROR for an order is pending with a note.

        An ERROR that is about us (key, address, rate) is raised as ``Refused``. File orders have no bulk call: they are
        asked after one by one, until one of them brings an error.
        """
        if self._fusion:
            return await self._fusion.check(remote_ids)
        files = [name for name in remote_ids if name.startswith(FILE_PREFIX)]
        others = [name for name in remote_ids if not name.startswith(FILE_PREFIX)]
        reports = list(await self._check_others(others)) if others else []
        for name in files:
            try:
                told = await self._check_one("getfileorder", name.removeprefix(FILE_PREFIX))
            except (NotSent, Refused, Unclear):
                if not reports:
                    raise
                break
            reports.append(replace(told, remote_id=name))
        return reports

    async def _check_others(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        hub = any(map(self._is_hub, remote_ids))
        if len(remote_ids) == 1:
            action, number = ("getserverorder", remote_ids[0].removeprefix(PREFIX)) if hub else ("getimeiorder", "")
            return [replace(await self._check_one(action, number or remote_ids[0]), remote_id=remote_ids[0])]
        if hub:
            self.check_batch = 1
        if self.check_batch == 1:
            raise Unsupported("bulk status is off")
        if self._lists_ids and (reports := await self._check_list(remote_ids)) is not None:
            return reports
        value = await self._call_bulk("getimeiorderbulk", {name: {"ID": name} for name in remote_ids}, buys=False)
        reports = self._reports(value, remote_ids)
        if not reports:
            self._raise_error(value)
        return reports

    async def _check_one(self, action: str, number: str) -> Report:
        value = await self._call(action, {"ID": number}, buys=False)
        error = open_envelope(value).only_error()
        if error is not None and self.refusal(error) in _ABOUT_US:
            raise Refused(self.refusal(error), error)
        by_id = [row for _, row in rows(value, [number], order_id)]
        return report(number, by_id[0] if len(by_id) == 1 else value, self.status_of)

    async def _check_list(self, remote_ids: Sequence[str]) -> Sequence[Report] | None:
        """Ask by ``<ID>1,2,3</ID>`` as GSM Theme's own controller wants it; None, for good, if that is not understood.

        It answers ``{"SUCCESS": {"1": {"STATUS", "CODE", "COMMENTS"}}, "ERROR": [unknown ids], "ID": "1,2,3"}``.
        """
        value = await self._call("getimeiorderbulk", {"ID": ",".join(remote_ids)}, buys=False)
        envelope = open_envelope(value)
        reports = self._reports(value, remote_ids)
        if reports or ("id" in envelope.body and not isinstance(envelope.success, list)):
            return reports
        text = envelope.only_error()
        if text is not None and self.refusal(text) in _ABOUT_US:
            raise Refused(self.refusal(text), text)
        self._lists_ids = False
        return None

    def _reports(self, value: object, remote_ids: Sequence[str]) -> list[Report]:
        """What a bulk status reply says of each order, the first word where there are two."""
        found: dict[str, Report] = {}
        for remote_id, row in rows(value, set(remote_ids), order_id):
            found.setdefault(remote_id, report(remote_id, row, self.status_of))
        return list(found.values())

    def _is_hub(self, remote_id: str) -> bool:
        """Whether this is a number of GSMHub's server calls; no dialect that is known to be another has such."""
        return remote_id.startswith(PREFIX) and self._dialect in {None, Dialect.GSM_HUB}

    @property
    def _in_xml(self) -> bool:
        return self.config.parameters == "xml" or self._dialect is Dialect.GSM_THEME

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
        value = await self._send(action, base64_json(keyed), buys=buys)
        error = open_envelope(value).only_error()
        if error is not None and is_unknown_action(error):
            if buys:
                self.place_batch = 1
            else:
                self.check_batch = 1
            raise Unsupported(f"{action}: {error}"[:MAX_TEXT])
        return value

    async def _call(self, action: str, parameters: Mapping[str, str], *, buys: bool) -> Any:
        if self._in_xml:
            return await self._send(action, xml_parameters(parameters), buys=buys)
        text = json.dumps(parameters) if self.config.parameters == "json" else base64_json(parameters)
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
        if not buys:
            self._learn(value, reply.headers)
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
