"""The audit beside a running service: again and again while orders are placed, delivered, rejected and reversed."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.audit import orders
from app.audit.promises import AuditResult
from app.audit.service import audit
from app.db import Database
from app.errors import Conflict
from app.ledger.service import topup
from app.money import MICRO
from app.orders.cancelling import cancel_order
from app.orders.resolution import reverse_order
from app.sealing import Sealer
from tests.audit.lives import staff_member
from tests.factories import Shop, imei, make_remote_service, make_route, make_service
from tests.worker.test_order_path import buy, closed, open_shop, rows, simulated, until, working

ORDERS = 240
AT_ONCE = 12


@asynccontextmanager
async def auditing(db: Database) -> AsyncIterator[list[AuditResult]]:
    """Run the audit without a pause for as long as the block lasts; lend the results."""
    results: list[AuditResult] = []
    over = False

    async def again_and_again() -> None:
        while not over:
            results.append(await audit(db))

    task = asyncio.create_task(again_and_again())
    try:
        yield results
    finally:
        over = True
        await task


async def _place_all(db: Database, shop: Shop, rejecting: int) -> None:
    for first in range(0, ORDERS, AT_ONCE):
        devices = [imei(n) for n in range(first, first + AT_ONCE)]
        await asyncio.gather(buy(db, shop, *devices[::2]), buy(db, shop, *devices[1::2], service=rejecting))


async def _interfere(db: Database, shop: Shop, staff_id: int) -> None:
    """Staff top up, cancel what is open and reverse what is completed, in the middle of it all."""
    reversed_ones = 0
    for turn in itertools.count():
        if turn >= ORDERS // 4 and reversed_ones:
            return
        async with db.transaction() as conn:
            await topup(conn, shop.customer_id, amount=MICRO, reference=f"turn {turn}", staff_id=staff_id)
        for state in ("completed", "accepted"):
            found = await rows(db, "SELECT id FROM orders WHERE state = %s ORDER BY random() LIMIT 1", state)
            for row in found:
                try:
                    async with db.transaction() as conn:
                        if state == "completed":
                            await reverse_order(conn, row["id"], reason="wrong", staff_id=staff_id)
                            reversed_ones += 1
                        else:
                            await cancel_order(conn, row["id"], actor=f"staff {staff_id}")
                except Conflict:
                    continue  # somebody else was faster


async def test_never_a_false_finding_while_everything_happens(
    db: Database, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Slices so small that both connections have many of them, all of one snapshot.
    monkeypatch.setattr(orders, "SLICE", 7)
    async with simulated(work_seconds=0.05) as url:
        shop = await open_shop(db, sealer, url)
        async with db.transaction() as conn:
            staff_id = await staff_member(conn)
            rejecting = await make_service(conn, name="Rejected by the supplier")
            remote = await make_remote_service(conn, shop.supplier_id, remote_id="303")
            await make_route(conn, rejecting, remote)
        async with working(db, sealer), working(db, sealer), auditing(db) as results:
            await asyncio.gather(_place_all(db, shop, rejecting), _interfere(db, shop, staff_id))
            await until(lambda: closed(db, ORDERS))
        results.append(await audit(db))
    for number, result in enumerate(results):
        assert result.ok, (number, result.findings)
    # It did look while things happened, and at every end there is.
    assert len({result.transfers for result in results}) > 5
    assert results[-1].orders == ORDERS
    ends = await rows(db, "SELECT DISTINCT kind FROM transfers")
    assert {row["kind"] for row in ends} == {"topup", "charge", "settle", "refund", "reverse"}


async def test_nobody_waits_for_the_audit_and_the_audit_for_nobody(db: Database, sealer: Sealer) -> None:
    """An audit ends while another transaction holds every row there is, and takes no lock that one would wait for."""
    async with simulated() as url:
        shop = await open_shop(db, sealer, url)
    await buy(db, shop, *(imei(n) for n in range(5)))
    async with db.transaction() as conn:
        for table in ("accounts", "transfers", "orders", "attempts", "order_events"):
            await conn.execute(f"SELECT 1 FROM {table} FOR UPDATE")
        async with asyncio.timeout(60):
            result = await audit(db)
    assert (result.ok, result.orders) == (True, 5)
