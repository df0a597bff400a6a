"""Catalogues as a connector returns them, what a reading of one leaves behind, and what staff decide about it."""

from typing import Any

from app.connectors.base import RemoteField, RemoteService, ServiceType
from app.db import Database
from app.money import MICRO
from app.suppliers import changes
from app.suppliers.changes import ChangeRow, ChangeState
from app.suppliers.changes_limits import change_limits
from app.suppliers.sync import SyncResult, apply_catalog
from tests.factories import make_route, make_service

EMAIL = RemoteField("Email", required=True)


def listed(remote_id: str = "1", **changes: Any) -> RemoteService:
    """Return a service of a list: an IMEI service at 1.00."""
    facts: dict[str, Any] = {
        "name": f"Remote {remote_id}",
        "group": "Theirs",
        "type": ServiceType.IMEI,
        "cost": MICRO,
        "time": "1-24 hours",
        **changes,
    }
    return RemoteService(remote_id=remote_id, **facts)


def many(number: int, **changes: Any) -> list[RemoteService]:
    """Return a list of ``number`` services."""
    return [listed(str(n), **changes) for n in range(1, number + 1)]


async def read(db: Database, supplier_id: int, *services: RemoteService) -> SyncResult:
    """Take a list over as a reading of the supplier does."""
    async with db.transaction() as conn:
        return await apply_catalog(conn, supplier_id, services)


async def rows(db: Database, query: Any, *values: object) -> list[dict[str, Any]]:
    """Return what a query finds."""
    async with db.pool.connection() as conn:
        return await (await conn.execute(query, values)).fetchall()


async def found(db: Database, *, state: str | None = None) -> list[tuple[str, str, str]]:
    """Return their id, the kind and the state of each change since the services came, in order."""
    query = (
        "SELECT m.remote_id, c.kind, c.state FROM catalog_changes c"
        " JOIN remote_services m ON m.id = c.remote_service_id"
        " WHERE c.outdated_at IS NULL AND NOT (c.kind = 'new' AND c.state = 'applied')"
        " AND (%s::text IS NULL OR c.state = %s) ORDER BY c.id"
    )
    return [(row["remote_id"], row["kind"], row["state"]) for row in await rows(db, query, state, state)]


async def cost(db: Database, remote_id: str = "1") -> int | None:
    """Return what a remote service costs us, as far as we follow it."""
    [row] = await rows(db, "SELECT cost FROM remote_services WHERE remote_id = %s", remote_id)
    value: int | None = row["cost"]
    return value


async def blocked(db: Database, remote_id: str = "1") -> str | None:
    """Return why the route to a remote service may not be used, None if it may."""
    query = (
        "SELECT f.blocked FROM route_facts f JOIN remote_services m ON m.id = f.remote_service_id"
        " WHERE m.remote_id = %s"
    )
    [row] = await rows(db, query, remote_id)
    value: str | None = row["blocked"]
    return value


async def map_to(db: Database, remote_id: str = "1", **columns: Any) -> int:
    """Sell a remote service under a service of ours and return its id."""
    [row] = await rows(db, "SELECT id FROM remote_services WHERE remote_id = %s", remote_id)
    async with db.transaction() as conn:
        service_id = await make_service(conn, **columns)
        await make_route(conn, service_id, row["id"])
    return service_id


async def limit(db: Database, supplier_id: int, **limits: bool | int | None) -> None:
    """Change a supplier's limits."""
    async with db.transaction() as conn:
        await change_limits(conn, supplier_id, limits)


async def waiting(db: Database, supplier_id: int) -> list[ChangeRow]:
    """The changes that wait for staff."""
    async with db.pool.connection() as conn:
        return await changes.list_changes(conn, supplier_id, state=ChangeState.WAITING, limit=100)


async def decide(db: Database, change_id: int, how: str) -> ChangeRow:
    """Decide as staff do, and return the change as it is then."""
    async with db.transaction() as conn:
        await {"approve": changes.approve, "reject": changes.reject, "undo": changes.undo}[how](
            conn, change_id, staff_id=None
        )
        return await changes.get_change(conn, change_id)


def only(changed: int = 0, waiting: int = 0) -> SyncResult:
    """What a reading reports that did nothing else."""
    return SyncResult(added=0, changed=changed, removed=0, held=0, waiting=waiting)
