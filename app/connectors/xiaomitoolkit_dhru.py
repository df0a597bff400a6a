"""XiaomiToolkit's DHRU endpoint: a key and no user name, a flat service list, and a different encoding for each call.

Their list names no inputs, so the connector adds those that placing wants. The sample of a delivered order has the
word "Available" for its result, not the data: where the data themselves are wanted, use the REST connector.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import escape

from pydantic import Field, SecretStr

from app.connectors._amounts import read_amount, read_currency
from app.connectors._dhru_catalog import read_catalog
from app.connectors._dhru_reply import STATUSES, error_text, folded, open_envelope, outcome, report, text_of
from app.connectors._xiaomitoolkit import CPU_ID, PRODUCT_CODE, second_imei
from app.connectors._xiaomitoolkit_records import whole
from app.connectors.base import Connector, ConnectorConfig, Placed, PlaceRequest, RemoteService, Report
from app.connectors.errors import RefusalReason, Refused, Unclear, Unsupported
from app.money import Money

_ABOUT_US = frozenset({RefusalReason.BAD_CREDENTIALS, RefusalReason.BLOCKED, RefusalReason.THROTTLED})


class XiaomitoolkitDhruConfig(ConnectorConfig):
    """A reseller's account at XiaomiToolkit."""

    api_key: SecretStr = Field(
        min_length=1, max_length=500, title="API key", description="From Profile > API Settings at the supplier."
    )


class XiaomitoolkitDhruConnector(Connector[XiaomitoolkitDhruConfig]):
    """Buys CPID services from XiaomiToolkit over DHRU."""

    title = "XiaomiToolkit (DHRU)"
    config_type = XiaomitoolkitDhruConfig
    statuses = STATUSES
    refusals: ClassVar[Mapping[str, RefusalReason]] = {
        # "Insufficient credit." is the one error their document shows; the others are those of their REST API.
        "insufficient": RefusalReason.NO_FUNDS,
        "duplicate": RefusalReason.DUPLICATE,
        "already exists": RefusalReason.DUPLICATE,
        # "Missing or invalid authentication token"; the key "can be generated, regenerated, or removed".
        "api key": RefusalReason.BAD_CREDENTIALS,
        "access key": RefusalReason.BAD_CREDENTIALS,
        "apiaccesskey": RefusalReason.BAD_CREDENTIALS,
        "authenticat": RefusalReason.BAD_CREDENTIALS,
        # "Account suspended or license inactive"; "Only users with dealer, reseller, or admin roles".
        "suspended": RefusalReason.BLOCKED,
        "licen": RefusalReason.BLOCKED,
        "role": RefusalReason.BLOCKED,
        "access denied": RefusalReason.BLOCKED,
        # "Rate limit exceeded — wait and retry"
        "rate limit": RefusalReason.THROTTLED,
        "too many": RefusalReason.THROTTLED,
        # "Service executor not found for this service."
        "service not": RefusalReason.SERVICE_OFF,
        "executor not found": RefusalReason.SERVICE_OFF,
        # "IMEI 1 must be exactly 15 characters."; "The product code field is required."
        "must be": RefusalReason.BAD_INPUT,
        "must start": RefusalReason.BAD_INPUT,
        "required": RefusalReason.BAD_INPUT,
        "invalid imei": RefusalReason.BAD_INPUT,
    }

    async def balance(self) -> Money:
        """Return ``credit`` of ``{"SUCCESS": [{"AccountInfo": {"credit": 150.50, "currency": "USD"}}]}``."""
        value = await self._read("accountinfo")
        success = open_envelope(value).success
        info = folded(folded(success[0] if isinstance(success, list) else success).get("accountinfo"))
        currency = read_currency(info.get("currency"))
        amount = read_amount(info.get("credit"), currency, signed=True)
        if amount is None or not currency:
            raise Unclear("the account's credit cannot be read")
        return Money(amount, currency)

    async def catalog(self) -> Sequence[RemoteService]:
        """Return the services of ``LIST: {"1": {SERVICE_NAME, GROUP_NAME, CREDIT}}`` with the inputs placing wants."""
        fields = (PRODUCT_CODE, CPU_ID, second_imei("IMEI2"))
        return [replace(one, fields=fields) for one in read_catalog(await self._read("imeiservicelist"), "")]

    async def place(self, request: PlaceRequest) -> Placed:
        """Order once: "The parameters field must be a Base64-encoded JSON string", whose ``ID`` is an integer."""
        fields = {name: value for name, value in request.fields.items() if value.strip()}
        number = whole(request.remote_id)
        if not number:
            raise Refused(RefusalReason.SERVICE_OFF, f"{request.remote_id[:80]!r} is not a service of theirs")
        order = json.dumps({**fields, "ID": number, "IMEI": request.device})
        value = await self._send("placeimeiorder", base64.b64encode(order.encode()).decode(), buys=True)
        result = outcome(value, request.remote_id, self.refusal)
        if isinstance(result, Placed):
            return result
        raise result

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return the status, asked for in XML: 1 "being processed", 3 "failed or was denied", 4 "result in CODE"."""
        if len(remote_ids) != 1:
            raise Unsupported("they know no bulk status")
        (remote_id,) = remote_ids
        value = await self._send("getimeiorder", f"<PARAMETERS><ID>{escape(remote_id)}</ID></PARAMETERS>", buys=False)
        error = open_envelope(value).only_error()
        if error is not None and self.refusal(error) in _ABOUT_US:
            raise Refused(self.refusal(error), error)
        return [report(remote_id, value, self.status_of)]

    async def _read(self, action: str) -> Any:
        """A reading call without parameters; raises what it says if it is no SUCCESS."""
        value = await self._send(action, "", buys=False)
        envelope = open_envelope(value)
        if (text := envelope.only_error()) is not None:
            raise Refused(self.refusal(text), text)
        if envelope.success is None:
            raise Unclear("the reply is not in the supplier's format")
        return value

    async def _send(self, action: str, parameters: str, *, buys: bool) -> Any:
        form = {"action": action, "apiaccesskey": self.config.api_key.get_secret_value()}
        if parameters:
            form["parameters"] = parameters
        reply = await self.http.send("POST", endpoint(self.config.base_url), buys=buys, form=form)
        value = reply.json()
        if reply.status == 429 and (message := text_of(folded(value).get("message"))):
            # The limiter of their framework, before the application sees the request.
            raise Refused(RefusalReason.THROTTLED, error_text(message))
        return value


def endpoint(base_url: str) -> str:
    """Return ``…/dhru_api.php``, "Set API URL to: https://xiaomitoolkit.com/dhru_api.php", from it or the root."""
    parts = urlsplit(base_url)
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/").removesuffix("/dhru_api.php").removesuffix("/api/v1")
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/dhru_api.php", "", ""))
