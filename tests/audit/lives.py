"""Orders in every state there is, brought there by the functions that the worker and staff use."""

from collections.abc import Mapping
from dataclasses import replace

from app.approvals.service import ApprovalKind, Wanted, approve, ask
from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear
from app.db import Connection, Database
from app.ledger.service import adjust
from app.money import MICRO
from app.orders import policy
from app.orders.attempts import claim, record
from app.orders.resolution import reverse_order
from app.sealing import Sealer
from app.staff.service import create_staff
from app.suppliers.service import route_facts
from tests.factories import Shop, imei, make_remote_service, make_route, make_service, make_shop
from tests.orders.test_place import buy, wish

WAITING, COMPLETED, FAILED, UNCLEAR, PLACED, REVERSED, REFUSED, SENDING, IN_PART = range(1, 10)
"""The ids of the orders that ``shop_with_lives`` makes in an empty database."""

OUTCOMES: dict[int, policy.PlaceOutcome] = {
    WAITING: NotSent("refused connection"),
    COMPLETED: Placed("R2", Report("R2", ReportStatus.DONE, "Code 2")),
    FAILED: Placed("R3", Report("R3", ReportStatus.FAILED, "not found")),
    UNCLEAR: Unclear("read time-out"),
    PLACED: Placed("R5"),
    REVERSED: Placed("R6", Report("R6", ReportStatus.DONE, "Code 6")),
    REFUSED: Refused(RefusalReason.BAD_INPUT, "wrong number"),
    IN_PART: Placed("R9", replace(Report("R9", ReportStatus.DONE, "Codes"), delivered=3)),
}


async def staff_member(conn: Connection, email: str = "a@b.c") -> int:
    """Return the id of somebody of the staff."""
    return await create_staff(conn, email=email, name="A", role="owner")


async def send(db: Database, supplier_id: int, outcomes: Mapping[int, policy.PlaceOutcome]) -> None:
    """Send every order that waits for a supplier, and record how the calls of these orders ended; others hang."""
    async with db.transaction() as conn:
        claims = await claim(conn, supplier_id, lease_by="worker", lease_seconds=600, limit=20)
    async with db.transaction() as conn:
        writes = []
        for one in claims:
            if one.order_id in outcomes:
                key = (one.service_id, one.currency)
                routes = (await route_facts(conn, [key]))[key]
                writes.append(policy.after_place(one, outcomes[one.order_id], routes))
        assert len(await record(conn, writes, lease_by="worker", actor="worker")) == len(outcomes)


async def shop_with_lives(db: Database, sealer: Sealer) -> Shop:
    """Return a shop with nine orders, one in each state; the last is for ten pieces, of which three came.

    Its customer was topped up, corrected, and topped up once more with the approval of two.
    """
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        staff_id = await staff_member(conn)
        pieces = await make_service(
            conn, name="Credits", group="Server", type="server", price=5 * MICRO, takes_quantity=True, max_quantity=10
        )
        remote = await make_remote_service(conn, shop.supplier_id, remote_id="3", type="server")
        await make_route(conn, pieces, remote)
        await adjust(
            conn, shop.customer_id, amount=-MICRO, reference="note 1", reason="a correction", staff_id=staff_id
        )
    devices = [await wish(db, shop.imei_service, imei(n)) for n in range(1, IN_PART)]
    placed = await buy(db, shop, *devices, await wish(db, pieces, quantity=10))
    assert [outcome.order_id for outcome in placed] == list(range(1, 10))
    await send(db, shop.supplier_id, OUTCOMES)
    async with db.transaction() as conn:
        await reverse_order(conn, REVERSED, reason="wrong code", staff_id=staff_id)
        wanted = Wanted(ApprovalKind.TOPUP, shop.customer_id, 5 * MICRO, "USD", "a bank transfer", reference="bank 2")
        asked = await ask(conn, wanted, staff_id=staff_id)
        approved = await approve(conn, asked.id, staff_id=await staff_member(conn, "b@c.d"))
        assert approved.transfer_id is not None
    return shop
