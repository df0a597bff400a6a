"""The audit log: written by the change itself, whoever makes it and how; it stays, and holds no secret."""

import json

import psycopg
import pytest

from app.access.passwords import set_password
from app.access.second_factor import new_recovery_codes
from app.acts.service import Act, Shown, list_acts, record_act, subject_kinds
from app.alarms.channels import add_channel
from app.alarms.configs import ChannelKind
from app.alarms.kinds import Severity
from app.customers.keys import create_key
from app.db import Actor, Database, acting
from app.ledger.service import adjust
from app.money import MICRO
from app.sealing import Sealer
from app.staff.members import change_role, get_member, invite
from app.staff.service import create_staff, create_token
from app.suppliers.records import list_suppliers
from tests.factories import make_customer, make_service, make_shop, make_supplier


async def acts(db: Database, shown: Shown | None = None) -> list[Act]:
    """Return every act, newest first."""
    async with db.pool.connection() as conn:
        return await list_acts(conn, shown or Shown(), limit=1000)


async def test_a_change_says_who_what_before_and_after_and_from_where(db: Database) -> None:
    async with db.transaction() as conn:
        ann = await create_staff(conn, email="ann@example.com", name="Ann", role="owner")
        bob = await create_staff(conn, email="bob@example.com", name="Bob", role="operator")
    acting.set(Actor("admin", "203.0.113.9", staff_id=ann))
    async with db.transaction() as conn:
        await change_role(conn, bob, "finance")
    newest = (await acts(db))[0]
    assert (newest.staff_id, newest.staff_name, newest.door, newest.address) == (ann, "Ann", "admin", "203.0.113.9")
    assert (newest.act, newest.subject_kind, newest.subject_id, newest.named) == (
        "staff member changed", "staff", bob, "bob@example.com",
    )  # fmt: skip
    assert (newest.before, newest.after) == ({"role": "operator"}, {"role": "finance"})


async def test_sqlalchemy_tells_too_and_nothing_stays_on_the_connection(db: Database) -> None:
    async with db.transaction() as conn:
        service = await make_service(conn)
    acting.set(Actor("api", "203.0.113.9", staff_id=7))
    async with db.sessions.begin() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("UPDATE services SET name = 'Renamed', price = 3000000")
    acting.set(None)
    async with db.sessions.begin() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("UPDATE services SET name = 'By a machine'")
    (only,) = await acts(db, Shown(subject_kind="service"))
    assert (only.staff_id, only.staff_name, only.door, only.subject_id) == (7, None, "api", service)
    assert only.before == {"name": "IMEI check", "price": 2 * MICRO}
    assert only.after == {"name": "Renamed", "price": 3 * MICRO}


async def test_machines_leave_no_act_and_a_hand_on_the_database_does(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    before = len(await acts(db))
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE suppliers SET balance = 5, balance_at = now(), trips = 1, synced_at = now()")
        await conn.execute("UPDATE remote_services SET cost = cost + 1, paused_until = now()")
        await conn.execute("UPDATE accounts SET balance = balance WHERE customer_id IS NOT NULL")
        await conn.execute("UPDATE services SET price = price + 1")
        assert len(await acts(db)) == before
        await conn.execute("UPDATE accounts SET credit_limit = 9 WHERE customer_id = %s", (shop.customer_id,))
    newest = (await acts(db))[0]
    assert (newest.door, newest.staff_id, newest.act) == ("system", None, "credit changed")
    assert newest.after == {"credit_limit": 9}


async def test_staff_who_touch_what_machines_keep_leave_no_noise(db: Database, sealer: Sealer) -> None:
    await make_shop(db, sealer)
    acting.set(Actor("admin", "", staff_id=7))
    before = len(await acts(db))
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET balance = 5, balance_at = now(), trips = 1, synced_at = now()")
        await conn.execute("UPDATE remote_services SET cost = cost + 1")
        await conn.execute("UPDATE services SET name = name")
    assert len(await acts(db)) == before


async def test_money_by_staff_is_an_act_of_the_customer(db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        ann = await create_staff(conn, email="ann@example.com", name="Ann", role="finance")
        customer_id, *_ = await make_customer(conn, sealer)
    acting.set(Actor("api", "203.0.113.9", staff_id=ann))
    async with db.transaction() as conn:
        await adjust(conn, customer_id, amount=-MICRO, reason="a mistake", reference="fix", staff_id=ann)
    newest = (await acts(db))[0]
    assert (newest.act, newest.subject_kind, newest.subject_id, newest.named) == (
        "adjust", "customer", customer_id, "fix",
    )  # fmt: skip
    assert newest.after is not None
    assert (newest.after["amount"], newest.after["reason"]) == (-MICRO, "a mistake")


async def test_what_staff_does_to_an_order_is_an_act_and_what_workers_do_is_none(db: Database, sealer: Sealer) -> None:
    shop = await make_shop(db, sealer)
    async with db.transaction() as conn:
        cursor = await conn.execute(
            "INSERT INTO orders (customer_id, service_id, price, currency, quantity, device, fields, fingerprint,"
            " guarded, source) VALUES (%s, %s, 0, 'USD', 1, '', '{}', '', false, 'test') RETURNING id",
            (shop.customer_id, shop.imei_service),
        )
        row = await cursor.fetchone()
        assert row
        for actor in ("worker 1", "customer", "staff 3", "command line"):
            await conn.execute(
                "INSERT INTO order_events (order_id, kind, old_state, new_state, actor, detail)"
                " VALUES (%s, 'order', 'in_progress', 'rejected', %s, 'why')",
                (row["id"], actor),
            )
    found = await acts(db, Shown(subject_kind="order"))
    assert [(act.staff_id, act.subject_id) for act in found] == [(None, row["id"]), (3, row["id"])]
    assert (found[0].before, found[0].after) == ({"state": "in_progress"}, {"state": "rejected", "detail": "why"})


async def test_no_secret_ever_gets_into_the_log(db: Database, sealer: Sealer) -> None:
    acting.set(Actor("admin", "", staff_id=1))
    async with db.transaction() as conn:
        ann = await create_staff(conn, email="ann@example.com", name="Ann", role="owner")
        login = (await get_member(conn, ann)).login_id
        await set_password(conn, login, "$argon2id$canary-hash")
        token = (await create_token(conn, sealer, ann)).token
        invitation, _ = await invite(conn, sealer, ann)
        codes = await new_recovery_codes(conn, sealer, login)
        customer_id, *_ = await make_customer(conn, sealer)
        key = (await create_key(conn, sealer, customer_id)).key
        await make_supplier(conn, sealer, api_key="canary-of-a-supplier")
        await conn.execute("UPDATE suppliers SET sealed = %s", (sealer.seal('{"api_key": "canary-of-a-supplier"}'),))
        await add_channel(
            conn, sealer, name="Ops", kind=ChannelKind.TELEGRAM, severity=Severity.NOTICE,
            config={"chat_id": "1", "bot_token": "123456:canary-of-a-telegram-bot-000000"},
        )  # fmt: skip
        cursor = await conn.execute(
            "SELECT sealed AS kept FROM suppliers UNION ALL SELECT sealed FROM alarm_channels"
            " UNION ALL SELECT key_hash FROM api_keys UNION ALL SELECT token_hash FROM staff_tokens"
            " UNION ALL SELECT token_hash FROM login_invites UNION ALL SELECT code_hash FROM login_recovery_codes"
        )
        kept = [row["kept"].hex() for row in await cursor.fetchall()]
        assert len(kept) == 6 + len(codes)  # the customer came with a key
        assert len(await list_suppliers(conn)) == 1
    log = await acts(db)
    text = json.dumps([(act.act, act.named, act.before, act.after) for act in log])
    assert "password chosen" in text
    assert '"sealed": "secret"' in text
    for secret in ("canary", token, invitation, key, *codes, *kept):
        assert secret not in text


async def test_the_log_cannot_be_changed(db: Database) -> None:
    async with db.transaction() as conn:
        await record_act(conn, "looked", "staff", 1)
    for statement in ("UPDATE acts SET act = 'x'", "DELETE FROM acts", "TRUNCATE acts"):
        async with db.pool.connection() as conn:
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
                await conn.execute(statement)


async def test_pages_of_the_log_follow_each_other_and_filters_narrow_them(db: Database) -> None:
    async with db.transaction() as conn:
        for number in range(7):
            await record_act(conn, f"act {number}", "order" if number % 2 else "service", number, staff_id=number % 3)
    async with db.pool.connection() as conn:
        first = await list_acts(conn, Shown(), limit=3)
        rest = await list_acts(conn, Shown(), before=first[-1].id, limit=10)
        assert [act.act for act in [*first, *rest]] == [f"act {number}" for number in reversed(range(7))]
        assert [act.subject_id for act in await list_acts(conn, Shown(subject_kind="order"), limit=9)] == [5, 3, 1]
        assert [act.subject_id for act in await list_acts(conn, Shown(staff_id=1), limit=9)] == [4, 1]
        assert await list_acts(conn, Shown(subject_kind="order", subject_id=4), limit=9) == []
        assert len(await list_acts(conn, Shown(since=first[-1].at), limit=9)) == 3
        assert len(await list_acts(conn, Shown(until=first[-1].at), limit=9)) == 4
        assert await list_acts(conn, Shown(), before=10**9, limit=9) == []
        assert await subject_kinds(conn) == ["order", "service"]


async def test_what_is_long_is_cut_and_what_did_not_change_is_left_out(db: Database) -> None:
    async with db.transaction() as conn:
        await make_service(conn)
    acting.set(Actor("admin", "", staff_id=1))
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET info = %s", ("x" * 50_000,))
    newest = (await acts(db))[0]
    assert newest.after is not None
    assert set(newest.after) == {"info"}
    assert len(newest.after["info"]) == 4001
