"""Going to a supplier on the spot, as staff ask for it: read the account, talk with no transaction open, then write."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from app.alarms.service import about_supplier, end_alarms
from app.connectors.base import Connector, DeviceCatalog
from app.connectors.errors import ConnectorError, Unsupported
from app.db import Database
from app.errors import Conflict, TrunklineError
from app.redis import Limiter
from app.sealing import Sealer
from app.suppliers.balances import asking_time, store_balance
from app.suppliers.circuits import REACHED
from app.suppliers.device_rounds import begin_reading, end_reading
from app.suppliers.devices import Counts, check_pair, store_devices
from app.suppliers.diagnosis import Diagnosis, diagnose, took_too_long
from app.suppliers.service import SupplierAccount, connect, get, keep_exchanges
from app.suppliers.sync import SyncResult, apply_on_demand, sync

WAITING_SECONDS = 600.0
"""No person waits longer for a supplier: each call is bounded, but how many of them a catalogue takes is not."""


class SupplierFailed(TrunklineError):  # noqa: N818  the words of the door, not of Python
    """The supplier could not be reached, refused, or answered in no known format."""

    code = "supplier_failed"


@asynccontextmanager
async def reached(db: Database, sealer: Sealer, supplier_id: int) -> AsyncIterator[Connector[Any]]:
    """Lend a connector to a supplier and close it afterwards; no database connection is held meanwhile.

    Raises NotFound, and Conflict if the account's settings cannot be used as they are kept.
    """
    async with db.pool.connection() as conn:
        account = await get(conn, supplier_id)
    try:
        connector = connect(account, sealer)
    except (ValueError, KeyError):
        # The cause may quote a setting; what to do is the same for all of them.
        raise Conflict("The supplier's settings cannot be read with this SECRET_KEY; enter them again.") from None
    try:
        yield connector
    finally:
        await connector.http.aclose()


async def try_out(db: Database, sealer: Sealer, supplier_id: int) -> Diagnosis:
    """Try a supplier account out, buy nothing, and keep the balance that was seen and what was said.

    One that works ends the alarms about not getting in.
    """
    async with reached(db, sealer, supplier_id) as connector:
        async with db.pool.connection() as conn:
            asked_at = await asking_time(conn)
        with connector.http.recording() as exchanges:
            try:
                async with asyncio.timeout(WAITING_SECONDS):
                    diagnosis = await diagnose(connector)
            except TimeoutError:
                diagnosis = took_too_long(WAITING_SECONDS)
    async with db.transaction() as conn:
        await keep_exchanges(conn, supplier_id, "test", exchanges)
        if diagnosis.balance is not None:
            await store_balance(conn, supplier_id, diagnosis.balance, asked_at=asked_at)
        if diagnosis.ok:
            await end_alarms(conn, REACHED, about_supplier(supplier_id))
    return diagnosis


async def sync_supplier(
    db: Database,
    sealer: Sealer,
    supplier_id: int,
    *,
    believed: bool = False,
    staff_id: int | None = None,
    at_most: float | None = None,
) -> SyncResult:
    """Take over a supplier's catalogue now; SupplierFailed if it cannot be read, and then our copy stays as it is.

    ``believed`` is a person's word that the list is right about what it lacks: see ``apply_catalog``. ``at_most`` is
    how many seconds there are for it. What was said is kept if it could not be read.
    """
    async with reached(db, sealer, supplier_id) as connector:
        try:
            with connector.http.recording() as exchanges:
                async with asyncio.timeout(at_most):
                    return await sync(db, connector, supplier_id, believed=believed, staff_id=staff_id)
        except (ConnectorError, TimeoutError) as error:
            async with db.transaction() as conn:
                await keep_exchanges(conn, supplier_id, "sync", exchanges)
            why = error.text if isinstance(error, ConnectorError) else f"it took more than {at_most:g} seconds"
            raise SupplierFailed(f"The supplier's catalogue cannot be read: {why}") from error


async def sync_devices(
    db: Database, sealer: Sealer, supplier_id: int, *, believed: bool = False, limiter: Limiter | None = None
) -> Counts:
    """Take over a supplier's devices and networks now, as far as one reading comes, and say how many there are.

    ``believed`` is a person's word that the lists are right about what they lack. With ``limiter`` the reading ends
    where it would take more than half of the requests that the supplier takes in a minute. Raises Conflict for a
    supplier that has no such catalogue and SupplierFailed for one that cannot be read; our copy then stays as it is.
    """
    async with db.pool.connection() as conn:
        account = await get(conn, supplier_id)
    async with reached(db, sealer, supplier_id) as connector:
        async with db.transaction() as conn:
            reading = await begin_reading(conn, supplier_id)
        connector.http.may_read = _half(limiter, account)
        try:
            catalog = await connector.device_catalog(reading.asking, reading.done)
        except Unsupported as error:
            async with db.transaction() as conn:
                await end_reading(conn, supplier_id, DeviceCatalog())
            raise Conflict("This supplier has no catalogue of devices.") from error
        except ConnectorError as error:
            raise SupplierFailed(f"The supplier's devices cannot be read: {error.text}") from error
    async with db.transaction() as conn:
        await end_reading(conn, supplier_id, catalog)
        return await store_devices(
            conn, supplier_id, catalog, asking=reading.asking, resumed=bool(reading.done), believed=believed
        )


def _half(limiter: Limiter | None, account: SupplierAccount) -> Callable[[], Awaitable[bool]] | None:
    """Return what counts a request with those of orders; it lets pass half of what a minute has room for."""
    limit = account.requests_per_minute
    if limiter is None or limit == 0:
        return None
    counting = limiter

    async def may() -> bool:
        ours = await counting.hit(f"supplier {account.id} devices", max(1, limit // 2))
        return ours and await counting.hit(f"supplier {account.id}", limit)

    return may


async def read_services_for(db: Database, sealer: Sealer, supplier_id: int, device: str, network: str) -> list[str]:
    """Read what a supplier offers for one device on one network, keep it, and return the ids there.

    Raises NotFound for a device or network that the supplier does not have, else as ``sync_devices`` does.
    """
    async with db.pool.connection() as conn:
        await check_pair(conn, supplier_id, device, network)
    async with reached(db, sealer, supplier_id) as connector:
        try:
            services = await connector.services_for(device, network)
        except Unsupported as error:
            raise Conflict("What this supplier offers does not depend on the device.") from error
        except ConnectorError as error:
            raise SupplierFailed(f"The supplier's services cannot be read: {error.text}") from error
    async with db.transaction() as conn:
        await apply_on_demand(conn, supplier_id, services)
    return [service.remote_id for service in services]
