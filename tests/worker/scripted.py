"""The outside as a test wants it: a supplier that answers as it was told, driven through the worker's own parts."""

from collections.abc import Sequence
from dataclasses import replace

from app.connectors.base import Connector, ConnectorConfig, Placed, PlaceRequest, RemoteService, Report
from app.connectors.errors import ConnectorError
from app.connectors.http import SupplierHttp
from app.db import Database
from app.money import Money
from app.orders.attempts import ClaimedAttempt, claim, claim_polls, claim_unclear
from app.suppliers.service import get
from app.worker.dispatch import Sender
from app.worker.find import Finder
from app.worker.poll import Asker
from tests.factories import Shop


class Scripted(Connector[ConnectorConfig]):
    """Answers ``placed``, ``report``, ``found`` and ``cancelled``; an error among them is raised."""

    title = "Scripted"
    config_type = ConnectorConfig

    def __init__(
        self,
        *,
        placed: Placed | ConnectorError | None = None,
        report: Report | None = None,
        found: Placed | ConnectorError | None = None,
        cancelled: Report | ConnectorError | None = None,
    ):
        super().__init__(ConnectorConfig(base_url="http://127.0.0.1:9"), SupplierHttp())
        self.placed, self.report, self.found, self.cancelled = placed, report, found, cancelled
        self.requests: list[PlaceRequest] = []
        self.cancels: list[str] = []
        self.checks: list[str] = []

    async def balance(self) -> Money | None:
        return None

    async def catalog(self) -> Sequence[RemoteService]:
        return []

    async def place(self, request: PlaceRequest) -> Placed:
        self.requests.append(request)
        if isinstance(self.placed, ConnectorError):
            raise self.placed
        assert self.placed is not None
        return self.placed

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        self.checks += remote_ids
        return [replace(self.report, remote_id=remote_ids[0])] if self.report else []

    async def find(self, request: PlaceRequest) -> Placed | None:
        self.requests.append(request)
        if isinstance(self.found, ConnectorError):
            raise self.found
        return self.found

    async def cancel(self, remote_id: str) -> Report:
        self.cancels.append(remote_id)
        if isinstance(self.cancelled, ConnectorError):
            raise self.cancelled
        assert self.cancelled is not None
        return replace(self.cancelled, remote_id=remote_id)


class Forcible(Scripted):
    """One that takes a duplicate if a person insists."""

    can_force = True


async def claimed(db: Database, supplier_id: int, *, limit: int = 10, by: str = "w") -> list[ClaimedAttempt]:
    """Claim what is due at a supplier, as a worker does."""
    async with db.pool.connection() as conn:
        return await claim(conn, supplier_id, lease_by=by, lease_seconds=60, limit=limit)


async def send(db: Database, shop: Shop, connector: Scripted, *, supplier_id: int | None = None) -> None:
    """Send what is due at the shop's supplier (or another), one call each; what may not be sent is put aside."""
    supplier_id = supplier_id or shop.supplier_id
    claims = await claimed(db, supplier_id)
    async with db.pool.connection() as conn:
        account = await get(conn, supplier_id)
    sender = Sender(db, account, connector, "w")
    blocked = [one for one in claims if one.blocked]
    if blocked:
        await sender.put_aside(blocked)
    for one in claims:
        if not one.blocked:
            await sender.send([one])


async def ask(db: Database, shop: Shop, connector: Scripted, *, supplier_id: int | None = None) -> None:
    """Ask after every placed attempt at the shop's supplier (or another), one call each."""
    supplier_id = supplier_id or shop.supplier_id
    async with db.transaction() as conn:
        await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'placed'")
        polls = await claim_polls(conn, supplier_id, lease_by="w", lease_seconds=60, limit=10)
        account = await get(conn, supplier_id)
    for poll in polls:
        await Asker(db, account, connector, "w").ask([poll])


async def look(db: Database, shop: Shop, connector: Scripted, *, later: str = "1 minute") -> None:
    """Look for every unclear attempt at the shop's supplier, as if it had been sent ``later`` ago."""
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE attempts SET due_at = now(), sent_at = now() - %s::interval WHERE state = 'unclear'", (later,)
        )
        claims = await claim_unclear(conn, shop.supplier_id, lease_by="w", lease_seconds=60, limit=10)
        account = await get(conn, shop.supplier_id)
    for one in claims:
        await Finder(db, account, connector, "w").find(one)
