"""Alarms: one live row for each trouble and subject, however many see it at once."""

import asyncio

from app.alarms.service import (
    Alarming,
    AlarmKind,
    acknowledge_alarm,
    end_alarms,
    list_alarms,
    raise_alarm,
    raise_all,
)
from app.db import Database
from app.staff.service import create_staff


async def test_the_same_trouble_is_counted_and_not_repeated(db: Database) -> None:
    async def see(number: int) -> None:
        async with db.transaction() as conn:
            kinds = [AlarmKind.SUPPLIER_DOWN, AlarmKind.LOW_BALANCE]
            found = [Alarming(kind, "supplier 1", f"seen {number}") for kind in kinds]
            # Whichever way round they are found, two transactions must not wait on each other.
            await raise_all(conn, found if number % 2 else reversed(found))

    await asyncio.gather(*(see(number) for number in range(20)))
    async with db.transaction() as conn:
        await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, "supplier 2", "another")
        found = await list_alarms(conn, limit=10)
    assert sorted((alarm.kind, alarm.subject, alarm.count) for alarm in found) == [
        ("low_balance", "supplier 1", 20),
        ("supplier_down", "supplier 1", 20),
        ("supplier_down", "supplier 2", 1),
    ]
    assert all(alarm.last_seen >= alarm.first_seen for alarm in found)


async def test_seen_twice_in_one_call_is_seen_once(db: Database) -> None:
    async with db.transaction() as conn:
        await raise_all(conn, [Alarming(AlarmKind.UNKNOWN_STATUS, "supplier 1", str(n)) for n in range(5)])
        [alarm] = await list_alarms(conn, limit=10)
    assert (alarm.count, alarm.text) == (1, "4")


async def test_an_acknowledged_alarm_goes_on_counting_and_a_closed_one_makes_way(db: Database) -> None:
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email="a@b.c", name="A", role="owner")
        await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, "supplier 1", "first")
        [alarm] = await list_alarms(conn, limit=10)
        await acknowledge_alarm(conn, alarm.id, staff_id=staff_id)
        await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, "supplier 1", "again")
        [alarm] = await list_alarms(conn, limit=10)
        assert (alarm.state, alarm.count, alarm.text, alarm.acknowledged_by) == ("acknowledged", 2, "again", staff_id)
        await end_alarms(conn, [AlarmKind.SUPPLIER_DOWN, AlarmKind.LOW_BALANCE], "supplier 1")
        assert await list_alarms(conn, limit=10) == []
        await raise_alarm(conn, AlarmKind.SUPPLIER_DOWN, "supplier 1", "anew")
        [alarm] = await list_alarms(conn, state="open", limit=10)
        assert (alarm.count, alarm.text) == (1, "anew")
        [closed] = await list_alarms(conn, state="closed", limit=10)
        assert closed.count == 2


async def test_a_text_that_no_database_takes_is_made_to_fit(db: Database) -> None:
    async with db.transaction() as conn:
        await raise_alarm(conn, AlarmKind.UNKNOWN_STATUS, "supplier 1", "a\x00b\ud800" + "x" * 5000)
        [alarm] = await list_alarms(conn, limit=10)
    assert alarm.text.startswith("ab?")
    assert len(alarm.text) == 1000
