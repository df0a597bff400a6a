"""iSave's Check API: one address, one verb, and the result of an order in the reply to it.

"Single HTTPS endpoint, all commands via JSON body": ``POST /api/v1/check`` with the key in ``X-API-Key``. There is no
call that reads an order again: one whose reply was lost stays unclear until a person has asked iSave. Their "504:
Retry once later" is not followed, and ``custom_request_id`` ("your internal tracking ID") is no protection: nothing
promises that a repeated one is not charged again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from app.connectors._amounts import read_amount, read_currency
from app.connectors._dhru_reply import MAX_ID, clean, folded, order_id, refuse, text_of
from app.connectors._isave import REFUSALS, RESERVED, IsaveConfig, endpoint, readable, unfit
from app.connectors._reply import WALL_SIGNS, Reply
from app.connectors.base import (
    Connector,
    Placed,
    PlaceRequest,
    RemoteService,
    Report,
    ReportStatus,
    ServiceType,
)
from app.connectors.errors import RefusalReason, Refused, Unclear
from app.connectors.http import SupplierHttp
from app.money import Money

CODES: Mapping[int, RefusalReason] = {
    # "400 Bad Request: Required fields missing or invalid."
    400: RefusalReason.BAD_INPUT,
    # "401 Unauthorized: API key missing or invalid."
    401: RefusalReason.BAD_CREDENTIALS,
    # "402 Insufficient Balance: Top up your account."
    402: RefusalReason.NO_FUNDS,
    # "403 Forbidden: Account blocked or restricted."
    403: RefusalReason.BLOCKED,
    # "404 Service Not Found: Re-check with services."
    404: RefusalReason.SERVICE_OFF,
    # Not in their table; what such an application answers before it looks at the request.
    429: RefusalReason.THROTTLED,
}
"""Their HTTP codes; the sixth, 504, proves nothing and is ``Unclear`` as every 5xx."""


class IsaveConnector(Connector[IsaveConfig]):
    """Buys checks from iSave, by IMEI or serial number, and has the result at once."""

    title = "iSave Check API"
    config_type = IsaveConfig
    check_batch = 100
    can_be_asked = False
    refusals: ClassVar[Mapping[str, RefusalReason]] = REFUSALS

    def __init__(self, config: IsaveConfig, http: SupplierHttp) -> None:
        super().__init__(config, http)
        self._url = endpoint(config.base_url, "/api/v1/check")
        self._prices: dict[str, int | None] = {}
        self._credits: int | None = None
        self._sent = 0

    async def balance(self) -> Money:
        """Return what the account holds: ``{"success": true, "username", "balance": 336.81, "currency": "USD"}``."""
        sent = self._sent
        body = await self._read("balance")
        currency = read_currency(body.get("currency"))
        amount = read_amount(body.get("balance"), currency, signed=True)
        if amount is None or not currency:
            raise Unclear("the account's balance cannot be read")
        self._credits = amount if sent == self._sent else None
        return Money(amount, currency)

    async def catalog(self) -> Sequence[RemoteService]:
        """Return the services of this key; the names ``balance`` and ``services`` are never among them.

        ``{"services": [{"command_name": "gsx", "service_title", "description", "price": "0.40"}]}``. The list names
        no currency (it is the account's) and no inputs: each service takes an "IMEI or Serial Number".
        """
        rows = (await self._read("services")).get("services")
        if not isinstance(rows, list):
            raise Unclear("the reply has no service list")
        found: dict[str, RemoteService] = {}
        for row in rows:
            if service := _service(folded(row)):
                found.setdefault(service.remote_id, service)
        if rows and not found:
            raise Unclear("the service list cannot be read")
        self._prices = {name: service.cost for name, service in found.items()}
        return tuple(service for name, service in found.items() if name.strip().lower() not in RESERVED)

    async def place(self, request: PlaceRequest) -> Placed:
        """Order one check and return it with its result.

        ``{"success": true, "request_id": "req_1713657812_82", "credits": 336.41, "data": {…}}``. A success without a
        result is ``Unclear`` although they name an order, because it could never be asked for again.
        """
        if refusal := unfit(request):
            raise refusal
        command = {
            "command": request.remote_id,
            "identifier": request.device.strip(),
            "custom_request_id": request.reference,
        }
        # What is left is unknown while an order is out, and stays so if that ends unclear.
        before, self._credits = self._credits, None
        self._sent += 1
        sent = self._sent
        reply = await self._send(command, buys=True)
        lone = sent == self._sent
        try:
            body = self._success(reply)
        except Refused:
            self._credits = before if lone else None
            raise
        remote_id = order_id({"orderid": body.get("request_id")})
        if not remote_id:
            raise Unclear("success without an order id")
        text = readable(body.get("data"))
        if not text:
            raise Unclear(f"success without a result; ask them about {remote_id[:100]}")
        after = read_amount(body.get("credits"), signed=True)
        cost = self._cost(request.remote_id, before, after) if lone else None
        self._credits = after if lone else None
        return Placed(remote_id, Report(remote_id, ReportStatus.DONE, text, cost=cost), cost)

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return every order as pending with a note for staff, without asking: REST has no status call.

        "Use getimeiorder in DHRU, or store request_id in REST mode." ``place`` never leaves an order without its
        result, so this concerns only those that a person has entered as found.
        """
        note = "iSave's REST API cannot be asked for an order; ask them and enter the result"
        return [Report(remote_id, ReportStatus.PENDING, note=note) for remote_id in remote_ids]

    def _cost(self, command: str, before: int | None, after: int | None) -> int | None:
        """What one order took from the account; None unless two witnesses agree.

        ``credits`` is the "remaining balance after deduction". Somebody else may spend from the same account, so the
        difference only counts if it is also the price in the list as it was last read here.
        """
        if before is None or after is None:
            return None
        return before - after if before - after == self._prices.get(command) else None

    async def _read(self, command: str) -> Mapping[str, Any]:
        reply = await self._send({"command": command}, buys=False)
        return self._success(reply)

    async def _send(self, command: Mapping[str, str], *, buys: bool) -> Reply:
        headers = {"X-API-Key": self.config.api_key.get_secret_value()}
        return await self.http.send("POST", self._url, buys=buys, json=command, headers=headers)

    def _success(self, reply: Reply) -> Mapping[str, Any]:
        """Return the body of a reply that says success and nothing else; raise what any other one means."""
        body = folded(reply.json())
        said = _flag(body.get("success"))
        if said is True and reply.status == 200 and not body.get("error"):
            return body
        if said is True or (said is False and body.get("data")):
            raise Unclear(f"success and error at once (HTTP {reply.status})")
        # The body of an error is shown nowhere; their helper builds {"success": false, "error": "HTTP 402"} from one.
        text = next((found for key in ("error", "message") if (found := clean(text_of(body.get(key))))), "")
        wall = any(sign in text.lower() for sign in WALL_SIGNS)
        if said is False or (text and reply.status in CODES and not wall):
            reason = CODES.get(reply.status)
            raise refuse(text or f"HTTP {reply.status}", self.refusal if reason is None else lambda _: reason)
        if wall and not reply.buys:
            raise Refused(RefusalReason.BLOCKED, text)
        raise Unclear(f"the reply is not in the supplier's format (HTTP {reply.status})")


def _service(row: Mapping[str, Any]) -> RemoteService | None:
    """One service; None without a name to order it by. "Always use the exact value from command_name"."""
    name = text_of(row.get("command_name"))
    if not name.strip() or len(name) > MAX_ID or not name.isprintable():
        return None
    return RemoteService(
        remote_id=name,
        name=clean(text_of(row.get("service_title"))) or name,
        group="",
        type=ServiceType.IMEI,
        cost=read_amount(row.get("price")),
        info=text_of(row.get("description")).strip(),
        takes_serial=True,
    )


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(text_of(value).strip().lower())
