"""Going to a supplier on the spot, as staff ask for it: read the account, talk with no transaction open, then write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.alarms.service import about_supplier, end_alarms
from app.connectors.base import Connector
from app.connectors.errors import ConnectorError
from app.db import Database
from app.errors import Conflict, TrunklineError
from app.sealing import Sealer
from app.suppliers.diagnosis import Diagnosis, diagnose
from app.suppliers.service import REACHED, connect, get, store_balance
from app.suppliers.sync import SyncResult, sync


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
    """Try a supplier account out, buy nothing, and keep the balance that was seen.

    One that works ends the alarms about not getting in.
    """
    async with reached(db, sealer, supplier_id) as connector:
        diagnosis = await diagnose(connector)
    async with db.transaction() as conn:
        if diagnosis.balance is not None:
            await store_balance(conn, supplier_id, diagnosis.balance)
        if diagnosis.ok:
            await end_alarms(conn, REACHED, about_supplier(supplier_id))
    return diagnosis


async def sync_supplier(db: Database, sealer: Sealer, supplier_id: int) -> SyncResult:
    """Take over a supplier's catalogue now; SupplierFailed if it cannot be read, and then our copy stays as it is."""
    async with reached(db, sealer, supplier_id) as connector:
        try:
            return await sync(db, connector, supplier_id)
        except ConnectorError as error:
            raise SupplierFailed(f"The supplier's catalogue cannot be read: {error.text}") from error
