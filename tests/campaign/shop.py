"""The operator of a campaign: sets the shop up, tops customers up, resolves doubt; all through the staff API.

The operator keeps a book too: what every piece costs, and what was put into every account.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from app.money import MICRO, format_amount, parse_amount
from tests.acceptance.systems import CPID, any_imei, xiaomi_imei
from tests.campaign.faults import READ_SECONDS

TRIES = 40


@dataclass(frozen=True, slots=True)
class Offer:
    """A service to sell: its price for one piece, and the remote services it is routed to, first choice first.

    ``device`` makes the n-th device; None for a service that is ordered by an e-mail address and a quantity.
    """

    name: str
    price: int
    routes: Sequence[tuple[str, str]]
    xiaomi: bool = False
    by_email: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    quantities: tuple[int, int] = (1, 1)
    confirm_seconds: int = 0

    def key(self, number: int) -> str:
        """The n-th device or address."""
        if self.by_email:
            return f"buyer{number}@example.com"
        return xiaomi_imei(number) if self.xiaomi else any_imei(number)


# Prices with all six decimals, so that a micro-unit that goes astray is seen.
OFFERS: Sequence[Offer] = (
    Offer("Carrier", parse_amount("1.000003"), (("Alpha", "101"), ("Beta", "101"), ("Gamma", "gsx"))),
    Offer("Blacklist", parse_amount("0.700019"), (("Beta", "202"), ("Alpha", "202"))),
    Offer("GSX", parse_amount("2.345678"), (("Gamma", "gsx"),)),
    Offer("Always rejected", parse_amount("3.100007"), (("Alpha", "303"),)),
    Offer("CPID", parse_amount("9.000011"), (("Delta", "*"),), xiaomi=True, fields=CPID),
    Offer("IMEI at the authorities", parse_amount("30.000001"), (("Epsilon", "*"),)),
    Offer("Tool credits", parse_amount("1.234567"), (("Beta", "402"),), by_email=True, quantities=(5, 20)),
)


@dataclass
class Customer:
    """A reseller's way in, and what the operator put into the account, in micro-units."""

    id: int
    username: str
    key: str
    put_in: int = 0
    topups: int = 0


class Operator:
    """Uses the staff API, and asks again when a process that was killed did not answer."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx2.AsyncClient(
            base_url=f"{url}/api/admin/", headers={"Authorization": f"Bearer {token}"}, timeout=20, trust_env=False
        )
        self.service_ids: dict[str, int] = {}
        self.supplier_ids: dict[str, int] = {}
        self.route_ids: list[int] = []

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(self, method: str, path: str, body: object = None, *, allow: Sequence[int] = ()) -> Any:
        """One call that may be repeated without harm; None for an answer that ``allow`` names."""
        for _ in range(TRIES):
            try:
                response = await self._client.request(method, path, json=body)
            except httpx2.TransportError:
                await asyncio.sleep(0.5)
                continue
            if response.is_success:
                return response.json()
            if response.status_code in allow:
                return None
            if response.status_code < 500:
                raise RuntimeError(f"{method} {path}: {response.status_code} {response.text[:500]}")
            await asyncio.sleep(0.5)
        raise RuntimeError(f"{method} {path}: no answer after {TRIES} tries")

    async def open_shop(
        self,
        suppliers: Mapping[str, Mapping[str, Any]],
        offers: Sequence[Offer] = OFFERS,
        *,
        read_seconds: int = READ_SECONDS,
    ) -> None:
        """Add the suppliers as their process describes them, read their lists, and map every offer.

        ``read_seconds`` is how long a reply of theirs is waited for.
        """
        await self.call("PUT", "rates/IDR", {"rate": "0.0000615"})
        remote: dict[str, list[Any]] = {}
        for name, described in suppliers.items():
            config = {**described["config"], "read_seconds": read_seconds}
            added = await self.call("POST", "suppliers", {"name": name, "kind": described["kind"], "config": config})
            self.supplier_ids[name] = added["id"]
            await self.call("POST", f"suppliers/{added['id']}/sync")
            remote[name] = (await self.call("GET", f"suppliers/{added['id']}/services"))["items"]
        for offer in offers:
            targets = [_pick(remote[name], remote_id, offer) for name, remote_id in offer.routes]
            body = {
                "name": offer.name,
                "group": "Campaign",
                "type": targets[0]["type"],
                "price": format_amount(offer.price),
                "fields": targets[0]["fields"],
                "rules": {"confirm_seconds": offer.confirm_seconds},
            }
            if offer.by_email:
                body |= {"min_quantity": offer.quantities[0], "max_quantity": offer.quantities[1]}
            service = await self.call("POST", "services", body)
            self.service_ids[offer.name] = service["id"]
            for priority, target in enumerate(targets, 1):
                route = {"service_id": service["id"], "remote_service_id": target["id"], "priority": priority}
                self.route_ids.append((await self.call("POST", "routes", route))["id"])

    async def add_customer(self, number: int) -> Customer:
        """A reseller without credit."""
        body = {"name": f"Reseller {number}", "email": f"reseller{number}@example.com"}
        customer = await self.call("POST", "customers", body)
        key = await self.call("POST", f"customers/{customer['id']}/keys", {"requests_per_minute": 0})
        return Customer(customer["id"], key["username"], key["key"])

    async def top_up(self, customer: Customer, amount: int) -> None:
        """Put ``amount`` micro-units in, once, however often the call has to be made."""
        customer.topups += 1
        body = {"amount": format_amount(amount), "reference": f"payment {customer.topups}"}
        await self.call("POST", f"customers/{customer.id}/topups", body)
        customer.put_in += amount

    async def resume(self) -> None:
        """End every pause that a machine decided, of suppliers and of what they sell."""
        suppliers = (f"suppliers/{supplier_id}" for supplier_id in self.supplier_ids.values())
        routes = (f"routes/{route_id}" for route_id in self.route_ids)
        await asyncio.gather(*(self.call("PATCH", path, {"state": "active"}) for path in (*suppliers, *routes)))

    async def resolve(self, attempt_id: int, remote_id: str | None) -> bool:
        """Say what the supplier's own book has about an unclear attempt; False if somebody knew before."""
        body = {"found": remote_id is not None, "remote_id": remote_id}
        return await self.call("POST", f"attempts/{attempt_id}/resolve", body, allow=(409,)) is not None

    async def enter_results(self) -> None:
        """Write in what a person read at suppliers that no machine can ask: the orders that staff just found there."""
        while waiting := (await self.call("GET", "manual?limit=100"))["items"]:
            for one in waiting:
                result = {"result": f"IMEI {one['device']}: read at {one['supplier']}"}
                await self.call("POST", f"manual/{one['id']}", result, allow=(404, 409))


def credit(units: int) -> int:
    """So many units of money, and a little, in micro-units."""
    return units * MICRO + 123_457


def _pick(services: Sequence[Any], remote_id: str, offer: Offer) -> Any:
    """The remote service of that id; for "*" the first that costs something and needs what the offer gives."""
    for service in services:
        needs = {one["name"] for one in service["fields"] if one["required"]}
        fits = service["type"] == "imei" and service["cost"] is not None and needs <= offer.fields.keys()
        if service["remote_id"] == remote_id or (remote_id == "*" and fits):
            return service
    raise RuntimeError(f"nobody sells {remote_id} for {offer.name}")
