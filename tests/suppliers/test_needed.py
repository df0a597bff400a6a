"""What an order has to bring changes by itself only where no service of ours needs it as it was."""

from typing import Any

import pytest

from app.connectors.base import RemoteField, ServiceType
from app.db import Database
from tests.suppliers.catalogue import EMAIL, decide, listed, map_to, only, read, waiting

IMEI = {"type": "imei"}
WITH_EMAIL: dict[str, Any] = {"type": "imei", "fields": [{"name": "email"}]}
BY_PIECE = {"type": "imei", "takes_quantity": True, "min_quantity": 5, "max_quantity": 10}


@pytest.mark.parametrize(
    ("before", "after", "ours", "follows"),
    [
        ({}, {"fields": (EMAIL,)}, None, True),
        ({}, {"fields": (EMAIL,)}, IMEI, False),
        ({}, {"fields": (RemoteField("Note"),)}, IMEI, True),
        ({"fields": (EMAIL,)}, {}, IMEI, True),
        ({"fields": (EMAIL,)}, {}, WITH_EMAIL, False),
        ({"fields": (EMAIL,)}, {"fields": (RemoteField("Email", required=True, pattern="x"),)}, WITH_EMAIL, False),
        ({"fields": (EMAIL,)}, {"fields": (RemoteField("Email", required=True, description="x"),)}, WITH_EMAIL, True),
        ({"fields": (EMAIL,)}, {"fields": (EMAIL, RemoteField("Note"))}, WITH_EMAIL, True),
        ({"takes_serial": True}, {}, IMEI, True),
        ({"takes_serial": True}, {}, {**IMEI, "device": "imei_or_serial"}, False),
        ({"takes_quantity": True}, {}, BY_PIECE, False),
        ({"takes_quantity": True}, {"takes_quantity": True, "min_quantity": 6}, BY_PIECE, False),
        ({"takes_quantity": True}, {"takes_quantity": True, "max_quantity": 9}, BY_PIECE, False),
        ({"takes_quantity": True}, {"takes_quantity": True, "min_quantity": 5, "max_quantity": 10}, BY_PIECE, True),
        ({"takes_quantity": True}, {}, IMEI, True),
        ({}, {"takes_quantity": True, "min_quantity": 1, "max_quantity": 9}, IMEI, True),
        ({}, {"takes_quantity": True, "min_quantity": 2}, IMEI, False),
        ({}, {"type": ServiceType.SERVER}, None, True),
        ({}, {"type": ServiceType.SERVER}, IMEI, False),
        ({}, {"time": "x", "info": "y", "opens": "09:00", "closes": "10:00", "zone": "UTC"}, WITH_EMAIL, True),
    ],
)
async def test_what_an_order_has_to_bring_changes_where_nobody_needs_it(
    db: Database,
    supplier_id: int,
    *,
    before: dict[str, Any],
    after: dict[str, Any],
    ours: dict[str, Any] | None,
    follows: bool,
) -> None:
    await read(db, supplier_id, listed(**before))
    if ours is not None:
        await map_to(db, **ours)
    result = await read(db, supplier_id, listed(**after))
    assert (result.changed, result.waiting) == ((1, 0) if follows else (0, 1))
    if not follows:
        [change] = await waiting(db, supplier_id)
        await decide(db, change.id, "approve")
        assert await read(db, supplier_id, listed(**after)) == only()
        await decide(db, change.id, "undo")
        assert await read(db, supplier_id, listed(**after)) == only()
        assert await read(db, supplier_id, listed(**before)) == only()


async def test_values_that_a_route_sends_under_their_names_are_needed_too(db: Database, supplier_id: int) -> None:
    fields = (RemoteField("Mail"), RemoteField("Shop"), RemoteField("Note"))
    await read(db, supplier_id, listed(fields=fields))
    await map_to(db, **WITH_EMAIL)
    async with db.transaction() as conn:
        await conn.execute("""UPDATE routes SET field_map = '{"email": "Mail"}', fixed = '{"Shop": "7"}'""")
    assert (await read(db, supplier_id, listed(fields=fields[:2]))).waiting == 0
    assert (await read(db, supplier_id, listed(fields=fields[1:2]))).waiting == 1
    assert (await read(db, supplier_id, listed(fields=fields[:1]))).waiting == 1
    assert (await read(db, supplier_id, listed(fields=fields[:2]))).waiting == 0
