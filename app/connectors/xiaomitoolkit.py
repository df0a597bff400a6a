"""XiaomiToolkit's REST API: CPID data for a device, generated while we wait or queued, delivered as a file.

Every reply is ``{"success": true, "data": …, "message": "…"}``, every no ``{"success": false, "message": "…",
"errors": {"field": ["…"]}}`` with a status of the table "Error Codes". An order is a record; its id is an integer.

Limits per minute: log-in 10, execute 100, everything else 60. A catalogue takes one call for the services, one for
each service and one for each sub-service, so it stays far below; prices by device would take one for each sub-service
and device, and are asked only for the device that staff look at (``services_for``).

A remote id is ``service/sub-service``, or ``service/sub-service/device id`` where the price is that device's.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, timedelta
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

from pydantic import Field, SecretStr

from app.clock import now
from app.connectors._amounts import read_amount, read_currency
from app.connectors._dhru_reply import MAX_TEXT, clean, text_of
from app.connectors._reply import Reply
from app.connectors._xiaomitoolkit import CPU_ID, PRODUCT_CODE, Session, read, says_no, second_imei
from app.connectors._xiaomitoolkit_records import (
    decoded,
    delivered,
    file_name,
    made_at,
    pending,
    same_phone,
    same_rest,
    whole,
)
from app.connectors.base import (
    Brand,
    Choice,
    Connector,
    ConnectorConfig,
    Device,
    DeviceCatalog,
    FieldType,
    File,
    Placed,
    PlaceRequest,
    RemoteField,
    RemoteService,
    Report,
    ReportStatus,
    ServiceType,
)
from app.connectors.errors import RefusalReason, Refused, Unclear, Unsupported
from app.connectors.http import SupplierHttp
from app.money import Money

MAX_PAGES = 10
"""No list is read further; at a hundred rows a page and sixty calls a minute it would starve the orders."""

CLOCKS_DIFFER = timedelta(minutes=2)
"""A record may be this much older than the moment we sent its order."""

SETTLED = timedelta(minutes=10)
"""A request that was sent this long ago has ended at theirs; what it left no record of, they do not have."""

OUR_OWN_FIELDS = frozenset({"service_slug", "sub_service_slug", "device_id"})
"""What a customer cannot correct: a 422 about nothing else means that the service is mapped wrongly."""


class XiaomitoolkitConfig(ConnectorConfig):
    """An account at XiaomiToolkit with API access."""

    email: str = Field(min_length=3, max_length=255, title="E-mail")
    password: SecretStr = Field(min_length=1, max_length=500, title="Password")


class XiaomitoolkitConnector(Connector[XiaomitoolkitConfig]):
    """Buys CPID data from XiaomiToolkit over REST."""

    title = "XiaomiToolkit"
    can_force = True
    config_type = XiaomitoolkitConfig
    codes: ClassVar[Mapping[int, RefusalReason]] = {
        # "Missing or invalid authentication token", after one renewal
        401: RefusalReason.BAD_CREDENTIALS,
        # "Insufficient credits to complete the operation"
        402: RefusalReason.NO_FUNDS,
        # "Account suspended or license inactive"
        403: RefusalReason.BLOCKED,
        # "Service executor not found for this service."
        404: RefusalReason.SERVICE_OFF,
        # "Duplicate record detected (use force=true to override)"
        409: RefusalReason.DUPLICATE,
        # "Validation failed — check the errors object"
        422: RefusalReason.BAD_INPUT,
        # "Rate limit exceeded — wait and retry"
        429: RefusalReason.THROTTLED,
        # "Service execution failed. Your balance has been refunded."
        502: RefusalReason.OTHER,
    }
    advice: ClassVar[Mapping[int, str]] = {
        401: "check e-mail and password",
        403: "log in at the supplier's site: renew the licence there, or ask them why the account is suspended",
    }
    """What staff can do about a no that is about our account."""
    statuses: ClassVar[Mapping[str, ReportStatus]] = {
        # "Filter by status: pending, processing, completed, or failed"
        "pending": ReportStatus.PENDING,
        "processing": ReportStatus.PENDING,
        "completed": ReportStatus.DONE,
        "failed": ReportStatus.FAILED,
    }

    def __init__(self, config: XiaomitoolkitConfig, http: SupplierHttp) -> None:
        super().__init__(config, http)
        self._root = root(config.base_url)
        self._session = Session(http, f"{self._root}/api/v1", config.email, config.password.get_secret_value())

    async def balance(self) -> Money:
        """Return ``balance`` of ``POST auth/me``: "Account balance in USD (float)".

        The ``credits`` of profile and credits/balance are another unit and buy nothing here.
        """
        user = await self._object("POST", "/auth/me")
        amount = read_amount(user.get("balance"), "USD", signed=True)
        if amount is None:
            raise Unclear("the account's balance cannot be read")
        return Money(amount, "USD")

    async def catalog(self) -> Sequence[RemoteService]:
        """Return every sub-service with its price without a device; None where they name one only with a device."""
        return [await self._offer(service, sub_service, None) async for service, sub_service in self._sub_services()]

    async def device_catalog(
        self, asking: Mapping[str, Collection[Choice]] = MappingProxyType({}), done: Collection[str] = ()
    ) -> DeviceCatalog:
        """Return the brands and the devices, whose ids ``services_for`` takes; always all of them."""
        del asking, done
        brands = [Brand(text_of(row.get("id")), _name(row)) async for row in self._rows("/brands")]
        devices = []
        async for row in self._rows("/devices"):
            brand = row.get("brand")
            brand_id = text_of(brand.get("id")) if isinstance(brand, Mapping) else ""
            devices.append(Device(text_of(row.get("id")), brand_id, _name(row)))
        return DeviceCatalog(brands=tuple(brands), devices=tuple(devices))

    async def services_for(self, device_id: str, network_id: str) -> Sequence[RemoteService]:
        """Return the sub-services that list the device, each at the price for it; networks play no part here."""
        return [
            await self._offer(service, sub_service, device)
            async for service, sub_service in self._sub_services()
            async for device in self._rows(f"/devices?{urlencode({'sub_service_id': text_of(sub_service.get('id'))})}")
            if text_of(device.get("id")) == device_id
        ]

    async def place(self, request: PlaceRequest) -> Placed:
        """Execute the service once, which answers with the data, with a link, or with a record that is queued.

        A 502 is a no only in the words of their document, "Your balance has been refunded"; any other is ``Unclear``.
        ``force`` is sent only if a person decided so, because it costs money again.
        """
        service, sub_service, device_id = split(request.remote_id)
        inputs = {name: value for name, value in request.fields.items() if value.strip()}
        body: dict[str, Any] = {
            "service_slug": service,
            "sub_service_slug": sub_service,
            "input_data": {**inputs, "imei1": request.device},
        }
        if device_id:
            body["device_id"] = int(device_id)
        if request.force:
            body["force"] = True
        reply = await self._session.send("POST", "/services/execute", buys=True, json=body, answers={502})
        answer = read(reply)
        if reply.status >= 300 or answer.get("success") is not True:
            raise self._no(reply, answer)
        data = _mapping(answer.get("data"))
        record_id = text_of(data.get("record_id"))
        if not whole(record_id):
            raise Unclear("success without a record id")
        generated = decoded(_mapping(data.get("data")).get("created_criticaldata"))
        if not generated:
            return Placed(record_id)
        name = file_name(inputs.get("product_code", ""), request.device)
        return Placed(record_id, delivered(record_id, File(name, generated)))

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return what ``services/order/{id}`` says, and the data from the record or from its download."""
        if len(remote_ids) != 1:
            raise Unsupported("they know no bulk status")
        (remote_id,) = remote_ids
        reply = await self._session.send("GET", f"/services/order/{quote(remote_id, safe='')}")
        answer = read(reply)
        if reply.status == 404 and (text := says_no(reply.status, answer)):
            # "No query results for model [CpidOrder]."
            return [pending(remote_id, f"no such record: {text}")]
        record = self._data(reply, answer)
        if not isinstance(record, Mapping) or text_of(record.get("id")) != remote_id:
            raise Unclear("the answer is not about this record")
        status = self._status(record)
        if status is None:
            return [pending(remote_id, f"unknown status {text_of(record.get('status'))[:40]!r}")]
        if status is ReportStatus.FAILED:
            # No reason is given. "If the external service fails, the balance is automatically refunded."
            return [Report(remote_id, status, "The data could not be generated for this device")]
        if status is ReportStatus.PENDING:
            return [Report(remote_id, status)]
        content = decoded(record.get("created_criticaldata")) or await self._download(remote_id)
        if not content:
            return [pending(remote_id, "completed, but there is neither data nor a download")]
        name = file_name(text_of(record.get("product_code")), text_of(record.get("imei1")))
        return [delivered(remote_id, File(name, content))]

    async def find(self, request: PlaceRequest) -> Placed | None:
        """Look for a record with the order's inputs in ``services/history``, made since it was sent.

        None only if nothing of the kind is there ten minutes later, in a history that was read to its end. An older
        record with the same inputs that did not fail leaves it open: "Duplicate inputs … are served from cache
        instantly", and whether that makes a record or costs anything is not said. Several new ones, or one that
        differs in an input, leave it open too.
        """
        if request.sent_at is None:
            raise Unclear("the history tells orders apart only by the time they were sent")
        # A day earlier, because the time zone of their dates is not said.
        day = (request.sent_at.astimezone(UTC) - timedelta(days=1)).date().isoformat()
        recent = {text_of(row.get("id")): row async for row in self._history(request, {"date_from": day})}
        new = {name: row for name, row in recent.items() if made_at(row) >= request.sent_at - CLOCKS_DIFFER}
        if new:
            (name, row), *others = new.items()
            if others or not same_rest(row, request):
                raise Unclear(f"records {', '.join(new)} may each be this order"[:MAX_TEXT])
            return Placed(name)
        if now() < request.sent_at + SETTLED:
            raise Unclear("there is no record yet; the order may still be on its way")
        async with aclosing(self._history(request, {})) as history:
            async for row in history:
                if self._status(row) is not ReportStatus.FAILED:
                    name = text_of(row.get("id"))[:40]
                    raise Unclear(f"record {name} is the same and may have served it from the cache")
        return None

    def _status(self, record: Mapping[str, Any]) -> ReportStatus | None:
        return self.status_of(text_of(record.get("status")).strip().lower())

    async def _history(
        self, request: PlaceRequest, query: Mapping[str, str]
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """The records of the same phone."""
        async for row in self._rows(f"/services/history?{urlencode(query)}"):
            if same_phone(row, request):
                yield row

    async def _download(self, remote_id: str) -> bytes:
        """The file of a completed record, empty if there is none yet.

        ``services/order/{id}/download`` is described, ``records/{id}/download`` stands as ``download_url`` in a sample
        of execute. "Returns a binary stream with Content-Type: application/octet-stream": anything else is no file.
        """
        record = quote(remote_id, safe="")
        for path in (f"/services/order/{record}/download", f"/records/{record}/download"):
            reply = await self._session.send("GET", path)
            if reply.status == 200 and reply.headers.get("content-type", "").startswith("application/octet-stream"):
                return reply.content
            answer = read(reply)
            if reply.status != 404 or not says_no(reply.status, answer):
                raise self._no(reply, answer)
        return b""

    async def _sub_services(self) -> AsyncIterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Every sub-service once, behind its service."""
        seen = set()
        async for service in self._rows("/services"):
            path = f"/services/{quote(text_of(service.get('slug')), safe='')}/sub-services"
            async for sub_service in self._rows(path):
                slugs = (text_of(service.get("slug")), text_of(sub_service.get("slug")))
                if slugs not in seen:
                    seen.add(slugs)
                    yield service, sub_service

    async def _offer(
        self, service: Mapping[str, Any], sub_service: Mapping[str, Any], device: Mapping[str, Any] | None
    ) -> RemoteService:
        """One sub-service with its price, from ``pricing/{slug}``: ``{sub_service, sell_price, currency}``."""
        slugs = [quote(text_of(part.get("slug")), safe="") for part in (service, sub_service)]
        if not all(slugs):
            raise Unclear("a service without a slug")
        device_id = text_of(device.get("id")) if device else ""
        query = f"?{urlencode({'device_id': device_id})}" if device_id else ""
        reply = await self._session.send("GET", f"/pricing/{slugs[1]}{query}")
        answer = read(reply)
        # What has no price by itself is priced by the device; it is listed, but nobody sells it at no cost.
        priced = {} if reply.status in {404, 422} and says_no(reply.status, answer) else self._data(reply, answer)
        if not isinstance(priced, Mapping):
            raise Unclear("a price cannot be read")
        currency = read_currency(priced.get("currency"))
        codes = tuple(text for code in _list(device.get("product_codes")) if (text := text_of(code))) if device else ()
        chosen = RemoteField("product_code", FieldType.DROPDOWN, required=True, options=codes)
        return RemoteService(
            remote_id="/".join([*slugs, *filter(None, [device_id])]),
            name=" - ".join(filter(None, [_name(sub_service), _name(device or {})])),
            group=_name(service),
            type=ServiceType.IMEI,
            cost=read_amount(priced.get("sell_price"), currency),
            info=clean(text_of(sub_service.get("description"))),
            fields=(chosen if codes else PRODUCT_CODE, CPU_ID, second_imei("imei2")),
            currency=currency,
        )

    async def _rows(self, path: str) -> AsyncIterator[Mapping[str, Any]]:
        """Every row of a list, page by page: "List endpoints return paginated results", though some show no meta."""
        mark = "&" if "?" in path else "?"
        for page in range(1, MAX_PAGES + 1):
            reply = await self._session.send("GET", f"{path}{mark}{urlencode({'per_page': 100, 'page': page})}")
            answer = read(reply)
            rows = self._data(reply, answer)
            if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
                raise Unclear("the reply is not a list")
            for row in rows:
                yield row
            if page >= whole(text_of(_mapping(answer.get("meta")).get("last_page"))):
                return
        raise Unclear(f"the list is longer than {MAX_PAGES} pages")

    async def _object(self, method: str, path: str) -> Mapping[str, Any]:
        reply = await self._session.send(method, path)
        return _mapping(self._data(reply, read(reply)))

    def _data(self, reply: Reply, answer: Mapping[str, Any]) -> Any:
        """The ``data`` of a good answer; raises what any other one says."""
        if reply.status != 200 or answer.get("success") is not True:
            raise self._no(reply, answer)
        return answer.get("data")

    def _no(self, reply: Reply, answer: Mapping[str, Any]) -> Refused | Unclear:
        """What an answer that is not a good one means; ``Unclear`` unless it is a no in their format."""
        text = says_no(reply.status, answer)
        reason = self.codes.get(reply.status)
        if not text or reason is None or (reply.status == 502 and "refunded" not in text.lower()):
            said = clean(text_of(answer.get("message"))) or "not in their format"
            if not reply.buys and not text and reply.is_wall():
                return Refused(RefusalReason.BLOCKED, f"blocked before their application: {said}"[:MAX_TEXT])
            return Unclear(f"the answer proves nothing (HTTP {reply.status}): {said}"[:MAX_TEXT])
        errors = _mapping(answer.get("errors"))
        if reply.status == 422:
            if errors and errors.keys() <= OUR_OWN_FIELDS:
                reason = RefusalReason.SERVICE_OFF
            details = [f"{name}: {clean(text_of(said))}" for name, said in errors.items()]
            text = " ".join([text, "; ".join(details)]).strip()
        if reply.status in self.advice:
            text = f"{text.rstrip('.')} ({self.advice[reply.status]})"
        return Refused(reason, text[:MAX_TEXT])


def root(base_url: str) -> str:
    """Return the site's root, from itself or from any endpoint as their document prints them."""
    parts = urlsplit(base_url)
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    path = re.sub(r"/(api(/v1(/.*)?)?|dhru_api\.php)$", "", path)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def split(remote_id: str) -> tuple[str, str, str]:
    """Return service slug, sub-service slug and device id, empty if none; ``Refused`` for what is no remote id."""
    service, _, rest = remote_id.partition("/")
    sub_service, _, device_id = rest.partition("/")
    if not service or not sub_service or (device_id and not whole(device_id)):
        raise Refused(RefusalReason.SERVICE_OFF, f"{remote_id[:80]!r} is not a service of theirs")
    return unquote(service), unquote(sub_service), device_id


def _name(row: Mapping[str, Any]) -> str:
    return clean(text_of(row.get("name"))) or text_of(row.get("slug"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
