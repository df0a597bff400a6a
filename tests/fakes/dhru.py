"""A DHRU supplier that misbehaves on demand, and counts what it really accepted.

It sells the simulator's catalogue and keeps its orders the same way; faults come on top, as ``fakes.faults`` says.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.money import format_amount, parse_amount
from app.simulator.orders import Orders
from app.simulator.server import read_form
from app.simulator.supplier import Supplier
from tests.fakes.faults import Fault, FaultyApp, Spoil, as_json, blanked, json_of, serving_fake

__all__ = ["FakeDhru", "Fault", "serving_fake"]


def _other_list(fault: Fault, good: Response) -> Response:
    body = json_of(good)
    success = body["SUCCESS"][0]
    if fault.kind == "list_empty":
        return as_json({**body, "SUCCESS": [{**success, "LIST": []}]})
    groups = {}
    for name, group in success["LIST"].items():
        services = group["SERVICES"]
        if fault.kind == "list_halved":
            services = dict(list(services.items())[::2])
        else:
            services = {key: {**one, "CREDIT": _doubled(one["CREDIT"])} for key, one in services.items()}
        groups[name] = {**group, "SERVICES": services}
    return as_json({**body, "SUCCESS": [{**success, "LIST": groups}]})


def _doubled(credit: str) -> str:
    return format_amount(2 * parse_amount(credit))


def _error(message: str, description: str = "") -> Response:
    return as_json({"ERROR": [{"MESSAGE": message, "FULL_DESCRIPTION": description}], "apiversion": "6.1"})


class FakeDhru(FaultyApp):
    """The fake as an ASGI app."""

    username = "reseller"
    api_key = "FAKE-KEY-OF-THE-TESTS"
    instead = frozenset({"refuse", "no_funds", "throttled", "bulk_unsupported"})
    own_faults: ClassVar[Mapping[str, Spoil]] = {
        # Success without a REFERENCEID, SUCCESS and ERROR at once, an ERROR with `text`.
        "no_id": lambda _, good: as_json(blanked(json_of(good), {"REFERENCEID"})),
        "both": lambda fault, good: as_json({**json_of(good), "ERROR": [{"MESSAGE": fault.text}]}),
        "refuse": lambda fault, _: _error(fault.text),
        "no_funds": lambda _, __: _error("CreditprocessError", "error:<li>Not enough credits</li>"),
        "throttled": lambda _, __: _error("You are calling this API too frequently!"),
        "bulk_unsupported": lambda _, __: _error("Command Not Found"),
        # The service list with every price doubled, without services, without every other service.
        "price": _other_list,
        "list_empty": _other_list,
        "list_halved": _other_list,
    }

    def __init__(self, *, work_seconds: float = 0.0) -> None:
        super().__init__()
        self.orders = Orders(":memory:")
        self.supplier = Supplier(self.orders, username=self.username, api_key=self.api_key, work_seconds=work_seconds)

    def config(self, base_url: str) -> dict[str, object]:
        """The config of a DHRU connector for this fake."""
        return {"base_url": base_url, "username": self.username, "api_key": self.api_key}

    def routes(self) -> Iterable[BaseRoute]:
        """The one endpoint of DHRU Fusion."""
        return [Route("/api/index.php", self._endpoint, methods=["GET", "POST"])]

    def counters(self) -> dict[str, Any]:
        """What the simulator's book of orders says."""
        return {**self.orders.stats()}

    async def _endpoint(self, request: Request) -> Response:
        form = await read_form(request)
        return await self.answer(request, form.get("action", ""), lambda: as_json(self.supplier.answer(form)))
