"""The suppliers of a campaign: the fakes on ports of their own, in a process that nobody kills.

``python -m tests.campaign.suppliers FOLDER`` writes where they are to ``FOLDER/suppliers.json``. Its door takes the
faults of a round (``POST /faults``), forgets those that wait (``POST /calm``) and tells what was really sold
(``GET /sold``): the book that no connector can talk away.
"""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.simulator.orders import FIRST_REFERENCE
from tests.campaign.faults import Actions
from tests.fakes._cekceir_services import Service
from tests.fakes.cekceir import FakeCekCeir
from tests.fakes.dhru import FakeDhru
from tests.fakes.faults import Fault, FaultyApp, serving_fake
from tests.fakes.isave import FakeIsave
from tests.fakes.xiaomitoolkit import FakeXiaomitoolkit
from tests.serving import serving

WORK_SECONDS = 0.5
PLENTY = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Sold:
    """One order that a supplier took: its id there, and the device (or e-mail address) it is for.

    ``rejected``: they took it and then could not, and gave the money back.
    """

    supplier: str
    reference: str
    key: str
    rejected: bool = False


class _RememberingCekCeir(FakeCekCeir):
    """The fake, which else keeps no device beside its order number."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: dict[int, str] = {}

    def _order(self, service: Service, data: dict[str, Any]) -> dict[str, Any]:
        order = super()._order(service, data)
        self.devices[order["order_id"]] = data["imeis"][0]
        return order


@dataclass(frozen=True, slots=True)
class _Supplier:
    fake: FaultyApp
    kind: str
    config: Callable[[str], Mapping[str, object]]
    sold: Callable[[], Iterator[tuple[str, str, bool]]]


ACTIONS: Mapping[str, Actions] = {
    "Alpha": Actions("placeimeiorder", "getimeiorder"),
    "Beta": Actions("placeimeiorder", "getimeiorder"),
    "Gamma": Actions("check:", no_funds={"kind": "code", "status": 402}),
    "Delta": Actions("execute", "order"),
    "Epsilon": Actions("place", "read"),
}
"""The suppliers by name. Alpha and Beta speak DHRU, Gamma answers at once, Delta can look for lost orders, Epsilon is
paid in rupiah."""


def _dhru() -> _Supplier:
    fake = FakeDhru(work_seconds=WORK_SECONDS)

    def sold() -> Iterator[tuple[str, str, bool]]:
        last = fake.orders.next_reference()
        for start in range(FIRST_REFERENCE, last, 1000):
            for order in fake.orders.find(range(start, min(start + 1000, last))).values():
                yield str(order.reference), order.device or orjson.loads(order.fields)["Email"], order.rejected

    return _Supplier(fake, "dhru", fake.config, sold)


def _isave() -> _Supplier:
    fake = FakeIsave()
    fake.balance = Decimal(PLENTY)
    return _Supplier(
        fake, "isave", fake.config, lambda: ((one.request_id, one.device, False) for one in fake.orders.values())
    )


def _xiaomitoolkit() -> _Supplier:
    fake = FakeXiaomitoolkit()
    fake.account.balance = Decimal(PLENTY)
    fake.limits = dict.fromkeys(fake.limits, PLENTY)
    fake.executes = "202 queued"
    records = fake.account.records
    return _Supplier(
        fake, "xiaomitoolkit", fake.config, lambda: ((str(one.id), one.inputs[2], False) for one in records.values())
    )


def _cekceir() -> _Supplier:
    fake = _RememberingCekCeir()
    fake.never_close()
    fake.wallet = PLENTY
    fake.pending_reads = 1
    return _Supplier(
        fake, "cekceir", fake.config, lambda: ((str(name), device, False) for name, device in fake.devices.items())
    )


def _door(suppliers: Mapping[str, _Supplier]) -> Starlette:
    async def faults(request: Request) -> Response:
        for name, scripted in orjson.loads(await request.body()).items():
            suppliers[name].fake.script(*(Fault(**fault) for fault in scripted))
        return Response(status_code=204)

    async def calm(_: Request) -> Response:
        left = sum(fault.times for one in suppliers.values() for fault in one.fake.faults)
        for one in suppliers.values():
            one.fake.faults.clear()
        return JSONResponse({"unmet": left})

    async def sold(_: Request) -> Response:
        rows = [
            asdict(Sold(name, reference, key, rejected))
            for name, one in suppliers.items()
            for reference, key, rejected in one.sold()
        ]
        twice = {name: one.fake.counters()["bought_twice"] for name, one in suppliers.items()}
        return JSONResponse({"sold": rows, "bought_twice": twice})

    routes = [
        Route("/faults", faults, methods=["POST"]),
        Route("/calm", calm, methods=["POST"]),
        Route("/sold", sold),
    ]
    return Starlette(routes=routes)


async def serve(folder: Path) -> None:
    """Serve until SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    made = (_dhru(), _dhru(), _isave(), _xiaomitoolkit(), _cekceir())
    suppliers = dict(zip(ACTIONS, made, strict=True))
    async with contextlib.AsyncExitStack() as running:
        where: dict[str, Any] = {}
        for name, one in suppliers.items():
            url = await running.enter_async_context(serving_fake(one.fake))
            where[name] = {"kind": one.kind, "config": dict(one.config(url))}
        door = await running.enter_async_context(serving(_door(suppliers)))
        draft = folder / "suppliers.draft"
        draft.write_text(json.dumps({"door": door, "suppliers": where}))
        draft.replace(folder / "suppliers.json")
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
