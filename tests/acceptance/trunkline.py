"""A whole Trunkline in one event loop: server and worker on a database of its own, used over HTTP only."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

from app.db import Database
from app.main import build_app
from app.settings import Settings
from app.staff.service import create_staff, create_token
from app.webhooks.destinations import Rules
from app.worker.loop import Worker
from app.worker.webhooks import Messenger
from tests.serving import serving

SECRET = "a test key that protects nothing but tests"


@dataclass
class Trunkline:
    """What an operator and a reseller do, by HTTP."""

    url: str
    db: Database
    staff: httpx2.AsyncClient
    username: str = ""
    key: str = ""

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """One call of the staff API that must succeed."""
        response = await self.staff.request(method, f"/api/admin/{path}", json=body)
        assert response.is_success, (path, response.text)
        return response.json()

    async def sell_to_reseller(self, currency: str) -> None:
        """A reseller with credit and a key."""
        body = {"name": "Reseller", "email": "r@example.com", "currency": currency}
        customer = await self.call("POST", "customers", body)
        await self.call("POST", f"customers/{customer['id']}/topups", {"amount": "100000000", "reference": "first"})
        key = await self.call("POST", f"customers/{customer['id']}/keys", {"requests_per_minute": 0})
        self.username, self.key = key["username"], key["key"]

    async def dhru(self, action: str, parameters: Mapping[str, object] | None = None) -> dict[str, Any]:
        """One call of the reseller's panel."""
        form = {"username": self.username, "apiaccesskey": self.key, "action": action, "requestformat": "JSON"}
        if parameters is not None:
            form["parameters"] = base64.b64encode(json.dumps(parameters).encode()).decode()
        async with httpx2.AsyncClient(timeout=30) as client:
            response = await client.post(f"{self.url}/api/index.php", data=form)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def order(self, service_id: int, device: str, fields: Mapping[str, str]) -> int:
        """Place an order as a panel does and return its number."""
        custom = base64.b64encode(json.dumps(dict(fields)).encode()).decode()
        answer = await self.dhru("placeimeiorder", {"ID": service_id, "IMEI": device, "CUSTOMFIELD": custom})
        return int(answer["SUCCESS"][0]["REFERENCEID"])

    async def status(self, order: int) -> tuple[int, str]:
        """STATUS and CODE of an order."""
        told = (await self.dhru("getimeiorder", {"ID": order}))["SUCCESS"][0]
        return told["STATUS"], told["CODE"]

    async def audit_is_clean(self) -> None:
        """The ledger's proof holds."""
        result = await self.call("GET", "audit")
        assert result["ok"], result["findings"]

    async def attempts(self, order: int) -> list[Any]:
        """The attempts of an order, with what was said on the wire."""
        found: list[Any] = (await self.call("GET", f"orders/{order}"))["attempts"]
        return found


def amount(text: str) -> Decimal:
    """An amount as it stands in a reply."""
    return Decimal(text)


@contextlib.asynccontextmanager
async def running(conninfo: str, folder: Path, **changes: Any) -> AsyncIterator[Trunkline]:
    """Lend a Trunkline that runs, with ``changes`` of its settings; it is stopped at the end."""
    settings = Settings(database_url=conninfo, secret_key=SECRET, var_dir=folder, database_pool_size=10, **changes)
    rules = Rules.of(settings.webhook_allowed_networks, settings.webhook_ports, plain_http=settings.webhook_plain_http)
    db = Database(conninfo, pool_size=10)
    await db.open()
    worker = Worker(db, settings.sealer(), tick_seconds=0.05, lease_seconds=30)
    working = asyncio.create_task(worker.run())
    telling = asyncio.create_task(Messenger(db, settings.sealer(), rules).run())
    try:
        async with db.transaction() as conn:
            staff_id = await create_staff(conn, email="o@example.com", name="Operator", role="owner")
            token = (await create_token(conn, settings.sealer(), staff_id)).token
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            serving(build_app(settings), graceful=True) as url,
            httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as staff,
        ):
            yield Trunkline(url, db, staff)
    finally:
        worker.stop()
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await working
        await db.close()
