"""doctorSIM's unlocking API v1: codes by device, network and IMEI, and IMEI checks.

``{site}/{method}/{argument}/…`` with the headers DSIM_KEY and DSIM_SECRET; the pair of keys decides between sandbox
and production. Every reply is ``{"code": "200", "status": "OK", "info": "", "res": {…}}``; ``code`` is missing in some.
There is no balance call and no flat catalogue: what is sold depends on the device and the network, and 1,300 devices
on 350 networks at 500 requests a minute would take 15 hours to read. So staff name the pairs they sell.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Annotated, Any, ClassVar
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator

from app.connectors._amounts import read_amount
from app.connectors._dhru_reply import MAX_TEXT, clean, folded, refuse, text_of
from app.connectors._doctorsim_check import read_check
from app.connectors._doctorsim_tools import read_tools, suffix
from app.connectors._reply import Reply, find_json
from app.connectors.base import (
    Brand,
    Choice,
    Connector,
    ConnectorConfig,
    Device,
    DeviceCatalog,
    Network,
    Placed,
    PlaceRequest,
    RemoteService,
    Report,
    ReportStatus,
    ServiceType,
)
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear
from app.money import check_currency

HASH_BUILDERS = "trunkline.doctorsim_hash"
"""The group of entry points under which an installed package offers a hash builder: ``build(imei, key, secret)``."""

_CHECK = "imeicheck"
"""The remote id of the IMEI check, and the beginning of the ids that we give such orders: they have none of theirs."""

_METHODS = re.compile(
    r"countries|networks|brands|devices|tools|(create|update|cancel)_order|check_order_status"
    r"|retrieve_order_instructions|imeicheck|(\{|%7B).*"
)
"""Where the root ends in an address that was copied from their document, placeholders included."""

_STRING_OR_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)


class DoctorSimConfig(ConnectorConfig):
    """An account at doctorSIM, in its sandbox or in production."""

    read_seconds: int = Field(
        default=60,
        ge=45,
        le=300,
        title="Patience",
        description="How many seconds a reply may take. An order takes up to 30 there, so less than 45 makes no sense.",
    )
    key: SecretStr = Field(min_length=1, max_length=500, title="DSIM_KEY")
    secret: SecretStr = Field(min_length=1, max_length=500, title="DSIM_SECRET")
    currency: str = Field(default="", title="Currency", description="What one of their credits is worth, e.g. EUR.")
    pairs: tuple[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}/[0-9]{1,12}$")], ...] = Field(
        default=(),
        # A sync makes one request for each pair, and 500 a minute are allowed for everything.
        max_length=400,
        title="Devices and networks",
        description="What the catalogue lists: device_id/network_id of each pair you sell, such as 15910/5815.",
    )
    imeicheck: bool = Field(default=False, title="IMEI check", description="Whether the catalogue has the IMEI check.")
    imeicheck_cost: str = Field(
        default="", max_length=20, title="Cost of an IMEI check", description="As agreed; no call tells it."
    )
    hash_builder: str = Field(
        default="",
        max_length=100,
        title="Hash builder",
        description="In production an IMEI check needs a hash whose making is not published; the name of an installed"
        " plug-in that makes it. Empty: no hash, as in the sandbox.",
    )

    @field_validator("currency")
    @classmethod
    def _is_currency(cls, value: str) -> str:
        return check_currency(value.upper()) if value else ""

    @field_validator("imeicheck_cost")
    @classmethod
    def _is_amount(cls, value: str) -> str:
        if value and read_amount(value) is None:
            raise ValueError("an amount is a decimal such as 0.50")
        return value


class DoctorSimConnector(Connector[DoctorSimConfig]):
    """Buys unlock codes and IMEI checks from doctorSIM, one order a request."""

    title = "doctorSIM"
    config_type = DoctorSimConfig
    requests_per_minute = 500
    """Of all methods together: "throttle-limited at 500 requests per minute (regardless of the method used …)"."""
    words: ClassVar[Mapping[str, RefusalReason]] = {
        # "WRONG_ACCESS: Wrong Access Credentials."
        "WRONG_ACCESS": RefusalReason.BAD_CREDENTIALS,
        # "TOO_MANY_REQUESTS: Too many connections where made to the server."
        "TOO_MANY_REQUESTS": RefusalReason.THROTTLED,
    }
    """Every status of a reply that speaks about us; the third, API_ERROR, speaks in ``info``."""
    codes: ClassVar[Mapping[int, RefusalReason]] = {
        # "401 Unauthorized: No valid API key provided."
        401: RefusalReason.BAD_CREDENTIALS,
        # "Once this limit is reached, the API will be respond with a 409 HTTP Status Error"; "429 Too Many Requests".
        409: RefusalReason.THROTTLED,
        429: RefusalReason.THROTTLED,
    }
    """Every code, of HTTP or in the reply, that speaks about us: 409 is never a duplicate here."""
    refusals: ClassVar[Mapping[str, RefusalReason]] = {
        # No text of ``info`` is published; these say nothing else in English and Spanish.
        "enough credit": RefusalReason.NO_FUNDS,
        "insufficient": RefusalReason.NO_FUNDS,
        "insuficiente": RefusalReason.NO_FUNDS,
        "imei is not valid": RefusalReason.BAD_INPUT,
        "invalid imei": RefusalReason.BAD_INPUT,
    }
    statuses: ClassVar[Mapping[str, ReportStatus]] = {
        # "open: Request has been received."
        "open": ReportStatus.PENDING,
        # "pending: Request is being processed and awaiting delivery of code and instructions."
        "pending": ReportStatus.PENDING,
        # "available: Unlocking instructions are available and ready."; true only with ok_sent.
        "available": ReportStatus.DONE,
        # "canceled: Request has been successfully cancelled (and refunded)."
        "canceled": ReportStatus.FAILED,
        # "notavailable: Request for unlock code failed since no code was available (and request has been refunded)."
        "notavailable": ReportStatus.FAILED,
        # "error: An error occurred during the request process." promises no refund, so a person looks: not listed.
    }
    """The status of an order; anything else is pending and noted."""

    async def balance(self) -> None:
        """Return None: they have no balance call."""

    async def catalog(self) -> Sequence[RemoteService]:
        """Return the tools of the configured pairs, one request each, and the IMEI check if it is switched on."""
        found: dict[str, RemoteService] = {}
        if self.config.imeicheck:
            cost = read_amount(self.config.imeicheck_cost) if self.config.imeicheck_cost else None
            found[_CHECK] = RemoteService(
                _CHECK, "IMEI check", "IMEI checks", ServiceType.IMEI, cost, "Instant", currency=self.config.currency
            )
        for pair in dict.fromkeys(self.config.pairs):
            device_id, _, network_id = pair.partition("/")
            for service in await self.services_for(device_id, network_id):
                found.setdefault(service.remote_id, service)
        return tuple(found.values())

    async def services_for(self, device_id: str, network_id: str) -> Sequence[RemoteService]:
        """Return what they sell for a device on a network: ``GET tools/{device_id}/{network_id}``."""
        res = self._res(await self._call("GET", "tools", device_id, network_id))
        tools = read_tools(res, device_id, network_id, self.config.currency)
        return tuple({tool.remote_id: tool for tool in tools}.values())

    async def device_catalog(
        self, asking: Mapping[str, Collection[Choice]] = MappingProxyType({}), done: Collection[str] = ()
    ) -> DeviceCatalog:
        """Return all brands and networks, and the devices of the brands that are not ``done``.

        Three requests and one for each brand, so that 1,300 devices stay far below 500 requests; tools are never asked
        for. Where the minute's requests are used up by others, it ends, and the next reading goes on.
        """
        del asking  # everything there is has to be chosen from
        countries = self._map("countries", self._res(await self._call("GET", "countries")))
        networks = self._map("networks", self._res(await self._call("GET", "networks")))
        brands = self._map("brands", self._res(await self._call("GET", "brands")))
        devices: list[Device] = []
        left = [name for name in brands if name not in done]
        parts: list[str] = []
        while left:
            try:
                devices += await self._devices_of(left[0])
            except (NotSent, Refused, Unclear):
                if not parts:
                    raise
                break
            parts.append(left.pop(0))
        return DeviceCatalog(
            parts=tuple(parts) if left else (),
            left=len(left),
            brands=tuple(Brand(name, clean(text_of(folded(row).get("brand")))) for name, row in brands.items()),
            devices=tuple(devices),
            networks=tuple(
                Network(name, clean(text_of(countries.get(country))) or country, clean(text_of(network)))
                for country, listed in networks.items()
                for name, network in self._map("networks", listed).items()
            ),
        )

    async def _devices_of(self, brand_id: str) -> Sequence[Device]:
        """The devices of one brand: ``{brand_id: {device_id: {"name", "img", "desc"}}}``."""
        listed = self._map("devices", self._res(await self._call("GET", "devices", brand_id)))
        rows = self._map("devices", listed.get(brand_id, []))
        return [Device(name, brand_id, clean(text_of(folded(row).get("name")))) for name, row in rows.items()]

    async def place(self, request: PlaceRequest) -> Placed:
        """Order once: ``POST create_order/{device}/{network}/{imei and suffix}/{tool}`` -> ``{"id_ticket": "…"}``."""
        if not (request.device.isascii() and request.device.isalnum()):
            raise Refused(RefusalReason.BAD_INPUT, "this supplier needs an IMEI")
        if request.remote_id == _CHECK:
            return await self._check_imei(request)
        device_id, network_id, tool_id = self._tool(request.remote_id)
        imei = request.device + suffix(request.fields)
        res = self._res(await self._call("POST", "create_order", device_id, network_id, imei, tool_id, buys=True))
        ticket = text_of(folded(res).get("id_ticket")).strip()
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", ticket) or not ticket.strip("0"):
            raise Unclear("success without an order id")
        return Placed(ticket)

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return what ``GET check_order_status/{ticket}`` says; the result is fetched by a second request."""
        return [await self._ask(remote_id) for remote_id in remote_ids]

    async def cancel(self, remote_id: str) -> Report:
        """Cancel within ten minutes of placing: ``DELETE cancel_order/{ticket}``; ``Refused`` afterwards."""
        return await self._report(remote_id, self._res(await self._call("DELETE", "cancel_order", remote_id)))

    async def hurry(self, remote_id: str) -> Report:
        """End the waiting with a result or none: ``POST update_order/{ticket}`` with ``force=nowait``.

        "Passing this parameter will override the specified guaranteed_time tool parameters and force the order to be
        ready. When checked, the order will return instructions or non-availability."
        """
        reply = await self._call("POST", "update_order", remote_id, form={"force": "nowait"})
        return await self._report(remote_id, self._res(reply))

    async def _ask(self, remote_id: str) -> Report:
        if remote_id.startswith(_CHECK):
            return _pending(remote_id, "an IMEI check is answered at once, there is nothing to ask for")
        try:
            res = self._res(await self._call("GET", "check_order_status", remote_id))
        except Refused as error:
            if error.reason in {*self.words.values(), RefusalReason.BLOCKED}:
                raise
            return _pending(remote_id, f"an error instead of a status: {error.text}")
        return await self._report(remote_id, res)

    async def _report(self, remote_id: str, res: object) -> Report:
        """Read ``{"1509403": {"id_device", "id_network", "imei", "creation_datetime", "status", "ok_sent"}}``."""
        order = _of_ticket(res, remote_id)
        if order is None or "status" not in order:
            return _pending(remote_id, "the answer has no status of this order")
        word = text_of(order["status"]).strip().lower()
        known = self.status_of(word)
        if known is None:
            return _pending(remote_id, f"status {word[:40]!r}, on which they promise nothing")
        if known is ReportStatus.FAILED:
            told = "No code was available." if word == "notavailable" else "The order was cancelled."
            return Report(remote_id, known, f"{told} ({word})")
        # "Flag that indicates whether unlock instructions are ready. Posible values: true or false", or 1.
        ready = order.get("ok_sent") is True or text_of(order.get("ok_sent")).strip().lower() in {"true", "1"}
        if known is ReportStatus.PENDING or not ready:
            return Report(remote_id, ReportStatus.PENDING)
        return await self._instructions(remote_id)

    async def _instructions(self, remote_id: str) -> Report:
        """The result, whole: ``GET retrieve_order_instructions/{ticket}`` -> ``{"id_ticket": {"howto": "…"}}``."""
        try:
            res = self._res(await self._call("GET", "retrieve_order_instructions", remote_id))
        except Refused as error:
            if error.reason in {*self.words.values(), RefusalReason.BLOCKED}:
                raise
            return _pending(remote_id, f"available, but without instructions: {error.text}")
        howto = text_of((_of_ticket(res, remote_id) or {}).get("howto"))
        if not howto.strip():
            return _pending(remote_id, "available, but the instructions are empty")
        return Report(remote_id, ReportStatus.DONE, howto)

    async def _check_imei(self, request: PlaceRequest) -> Placed:
        """``POST imeicheck/{imei}`` in the sandbox, ``imeicheck/{imei}/{hash}`` in production; answered at once."""
        arguments = [request.device]
        if self.config.hash_builder:
            build = _hash_builder(self.config.hash_builder)
            key, secret = self.config.key.get_secret_value(), self.config.secret.get_secret_value()
            arguments.append(build(request.device, key, secret))
        res = self._res(await self._call("POST", _CHECK, *arguments, buys=True))
        remote_id = f"{_CHECK}-{request.reference}"
        return Placed(remote_id, read_check(remote_id, res))

    async def _call(
        self, verb: str, method: str, *arguments: str, buys: bool = False, form: Mapping[str, str] | None = None
    ) -> Reply:
        path = "/".join(quote(part, safe="") for part in (method, *arguments))
        headers = {
            "DSIM_KEY": self.config.key.get_secret_value(),
            "DSIM_SECRET": self.config.secret.get_secret_value(),
        }
        return await self.http.send(verb, f"{root(self.config.base_url)}/{path}", buys=buys, form=form, headers=headers)

    def _res(self, reply: Reply) -> object:
        """The ``res`` of a reply that says OK; ``Refused`` for their errors, by HTTP code or inside a 200."""
        about_us = self.codes.get(reply.status)
        if about_us and not reply.text.strip():
            # "Returned directly in the HTTP response header depending on the issuing error."
            raise Refused(about_us, f"HTTP {reply.status}")
        body = folded(_json(reply))
        status = text_of(body.get("status")).strip().upper()
        info = clean(text_of(body.get("info")))
        code = text_of(body.get("code")).strip()
        about_us = about_us or self.words.get(status)
        about_us = about_us or next((reason for number, reason in self.codes.items() if str(number) == code), None)
        # An error beside an order contradicts itself; neither of the two is then to be believed.
        if status != "OK" and not text_of(folded(body.get("res")).get("id_ticket")):
            if about_us:
                raise Refused(about_us, info or status or f"HTTP {reply.status}")
            if status == "API_ERROR":
                raise refuse(info or f"API_ERROR (HTTP {reply.status})", self.refusal)
        if status != "OK" or code not in {"", "200"} or reply.status != 200 or "res" not in body:
            raise Unclear(f"the reply is not in the supplier's format (HTTP {reply.status}) {info}"[:MAX_TEXT].rstrip())
        return body["res"]

    @staticmethod
    def _tool(remote_id: str) -> list[str]:
        parts = remote_id.split("/")
        if len(parts) != 3 or not all(part.isascii() and part.isalnum() for part in parts):
            raise Refused(RefusalReason.SERVICE_OFF, "not a device, a network and a tool of this supplier")
        return parts

    @staticmethod
    def _map(name: str, value: object) -> Mapping[str, Any]:
        """``value`` as an object; PHP writes an empty one as ``[]``."""
        if isinstance(value, Mapping):
            return value
        if value == []:
            return {}
        raise Unclear(f"the list of {name} cannot be read")


def root(base_url: str) -> str:
    """Return the site's root, whether it was given alone or with a method: ``https://api.doctorsim.com/brands``."""
    parts = urlsplit(base_url)
    kept: list[str] = []
    for part in filter(None, parts.path.split("/")):
        if _METHODS.fullmatch(part):
            break
        kept.append(part)
    return urlunsplit((parts.scheme, parts.netloc, "/".join(("", *kept)) if kept else "", "", ""))


def _json(reply: Reply) -> Any:
    """The JSON of a reply, also as their document prints it: commas before brackets, line breaks inside texts."""
    try:
        return reply.json()
    except Unclear:
        value = find_json(_STRING_OR_COMMA.sub(_mended, reply.text))
        if value is None:
            raise
        return value


def _mended(found: re.Match[str]) -> str:
    return re.sub(r"[\x00-\x1f]", lambda mark: f"\\u{ord(mark[0]):04x}", found[0]) if found[0] != "," else ""


def _of_ticket(res: object, ticket: str) -> Mapping[str, Any] | None:
    """What ``res`` says of ``ticket``; the samples also have the very word ``id_ticket`` in its place."""
    body = folded(res)
    found = folded(body.get(ticket.lower()) or body.get("id_ticket"))
    return found or None


def _hash_builder(name: str) -> Callable[[str, str, str], str]:
    found = next(iter(entry_points(group=HASH_BUILDERS, name=name)), None)
    if found is None:
        raise Refused(RefusalReason.SERVICE_OFF, f"the hash builder {name!r} is not installed here")
    builder: Callable[[str, str, str], str] = found.load()
    return builder


def _pending(remote_id: str, note: str) -> Report:
    return Report(remote_id, ReportStatus.PENDING, note=note[:MAX_TEXT])
