"""Orders by REST: placed, charged once, told in full, and refused with a code that never changes."""

import asyncio
import base64
from typing import Any

import httpx2
import orjson
import pytest

from app.audit.service import audit
from app.db import Database
from app.money import MICRO
from tests.api.v1.conftest import Bot, read, refused
from tests.factories import IMEIS, imei, make_remote_service, make_route, make_service
from tests.orders.test_place import buy, wish


async def post(bot: Bot, body: Any, **headers: str) -> httpx2.Response:
    """Order."""
    return await bot.http.post("/orders", json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def balance(bot: Bot) -> int:
    """What the reseller has, in micro-units."""
    async with bot.parts.db.pool.connection() as conn:
        cursor = await conn.execute("SELECT balance FROM accounts WHERE customer_id = %s", (bot.shop.customer_id,))
        row = await cursor.fetchone()
    assert row is not None
    return int(row["balance"])


async def count(bot: Bot, table: str = "orders") -> int:
    """How many rows there are."""
    async with bot.parts.db.pool.connection() as conn:
        row = await (await conn.execute(f"SELECT count(*) AS n FROM {table}".encode())).fetchone()
    assert row is not None
    return int(row["n"])


async def close(db: Database, order_id: int, to: str = "completed", **more: Any) -> None:
    """End an order as the worker would, and its attempt with it."""
    said = {"order": order_id, "to": to, "result" if to == "completed" else "reason": "Model: iPhone 13", **more}
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE attempts SET state = 'not_sent', text = 'test', closed_at = now()"
            " WHERE order_id = %s AND state = 'prepared'",
            (order_id,),
        )
        await conn.execute(
            "SELECT move_orders(%s::json, ARRAY['accepted', 'in_progress', 'completed'], 'test')",
            (orjson.dumps([said]).decode(),),
        )


async def test_one_order_is_placed_charged_and_told_in_full(bot: Bot) -> None:
    body = {
        "service": bot.shop.imei_service,
        "device": " 35-655784-707935-6 ",
        "reference": "mine 1",
        "callback_url": "https://bot.example/done",
    }
    response = await post(bot, body)
    order = read(response, 201)
    assert response.headers["location"] == f"/api/v1/orders/{order['id']}"
    assert {name: order[name] for name in ("state", "device", "quantity", "price", "refunded", "currency")} == {
        "state": "accepted",
        "device": "356557847079356",
        "quantity": 1,
        "price": "2.00",
        "refunded": "0.00",
        "currency": "USD",
    }
    assert (order["reference"], order["callback_url"], order["source"]) == (
        "mine 1",
        "https://bot.example/done",
        "rest",
    )
    assert order["created_at"].endswith("Z")
    assert await balance(bot) == 998 * MICRO
    assert bot.wakes == [1]
    assert read(await bot.get(f"/orders/{order['id']}")) == order
    await close(bot.parts.db, order["id"])
    done = read(await bot.get(f"/orders/{order['id']}"))
    assert (done["state"], done["result"], done["reason"], done["file"]) == (
        "completed",
        "Model: iPhone 13",
        None,
        None,
    )
    assert done["closed_at"] is not None


async def test_fields_and_quantity_are_checked_and_secrets_of_fields_masked(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        service = await make_service(
            conn,
            name="Credits",
            type="server",
            takes_quantity=True,
            min_quantity=5,
            max_quantity=100,
            fields=[{"name": "Username", "required": True}, {"name": "Password", "required": False}],
        )
        remote = await make_remote_service(conn, bot.shop.supplier_id, remote_id="9", type="server")
        await make_route(conn, service, remote)
    missing = refused(await post(bot, {"service": service}), 422, "invalid", "fields.Username")
    assert missing["detail"] == "Username required."
    fields = {"Username": "mary", "Password": "hush"}
    refused(await post(bot, {"service": service, "fields": fields, "quantity": 101}), 422, "invalid", "quantity")
    order = read(await post(bot, {"service": service, "fields": fields, "quantity": 7}), 201)
    assert (order["quantity"], order["price"], order["fields"]) == (7, "14.00", {"Username": "mary", "Password": "***"})
    await close(db, order["id"], delivered=3)
    part = read(await bot.get(f"/orders/{order['id']}"))
    assert (part["delivered"], part["refunded"], await balance(bot)) == (3, "8.00", 994 * MICRO)


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"device": "356557847079357"}, 422, "invalid", "device"),
        ({"device": ""}, 422, "invalid", "device"),
        ({"device": "x" * 201}, 422, "invalid", "device"),
        ({"device": 356557847079356}, 422, "invalid", "device"),
        ({"device": "a\x00b"}, 422, "invalid", None),
        ({"service": 4711}, 404, "service_not_found", "service"),
        ({"service": "no-such"}, 404, "service_not_found", "service"),
        ({"service": "99999999999999999999999"}, 404, "service_not_found", "service"),
        ({"service": None}, 422, "invalid", "service"),
        ({"quantity": 2}, 422, "invalid", "quantity"),
        ({"quantity": 0}, 422, "invalid", "quantity"),
        ({"quantity": 1.5}, 422, "invalid", "quantity"),
        ({"reference": "x" * 101}, 422, "invalid", "reference"),
        ({"callback_url": "ftp://x.example"}, 422, "invalid", "callback_url"),
        ({"callback_url": "javascript:alert(1)"}, 422, "invalid", "callback_url"),
        ({"callback_url": "https://user:secret@x.example/"}, 422, "invalid", "callback_url"),
        ({"callback_url": "https://x.example/" + "x" * 2000}, 422, "invalid", "callback_url"),
        ({"nonsense": 1}, 422, "invalid", "nonsense"),
        ({"fields": {"Email": 5}}, 422, "invalid", "fields.Email"),
    ],
)
async def test_what_breaks_a_rule_names_its_field_and_charges_nothing(
    bot: Bot, change: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    body = {"service": bot.shop.imei_service, "device": IMEIS[0], **change}
    response = await post(bot, body)
    found = read(response, status)
    assert found["code"] == code
    if field is not None:
        assert found["field"] == field, found
    assert (await balance(bot), await count(bot)) == (1000 * MICRO, 0)


async def test_no_credit_no_route_and_an_open_order_have_codes_of_their_own(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        nowhere = await make_service(conn, name="Nowhere", price=MICRO)
        dear = await make_service(conn, name="Dear", price=1001 * MICRO)
        await make_route(conn, dear, await make_remote_service(conn, bot.shop.supplier_id, remote_id="7"))
    refused(await post(bot, {"service": nowhere, "device": IMEIS[0]}), 503, "service_unavailable")
    refused(await post(bot, {"service": dear, "device": IMEIS[0]}), 402, "no_credit")
    first = read(await post(bot, {"service": bot.shop.imei_service, "device": IMEIS[0]}), 201)
    async with db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '1 hour'")
    second = await post(bot, {"service": bot.shop.imei_service, "device": IMEIS[0]})
    assert refused(second, 409, "duplicate_order", "device")["order_id"] == first["id"]
    assert await balance(bot) == 998 * MICRO


async def test_many_orders_are_told_row_by_row_and_only_those_placed_are_charged(bot: Bot) -> None:
    service = bot.shop.imei_service
    rows = [
        {"service": service, "device": IMEIS[0]},
        {"service": service, "device": "123"},
        {"service": 4711, "device": IMEIS[1]},
        {"service": service, "device": IMEIS[0]},
        {"service": bot.shop.server_service, "fields": {"Email": "mary@example.com"}},
        {"service": bot.shop.server_service, "fields": {}},
    ]
    answer = read(await post(bot, {"orders": rows}), 201)["items"]
    assert [row["error"] and row["error"]["code"] for row in answer] == [
        None, "invalid", "service_not_found", None, None, "invalid",
    ]  # fmt: skip
    assert [row["error"]["field"] for row in answer if row["error"]] == [
        "orders.1.device", "orders.2.service", "orders.5.fields.Email",
    ]  # fmt: skip
    assert answer[0]["order"]["id"] == answer[3]["order"]["id"]
    assert [row["repeated"] for row in answer] == [False, False, False, True, False, False]
    assert (await count(bot), await balance(bot)) == (2, 993 * MICRO)
    none = read(await post(bot, {"orders": [rows[1], rows[2]]}), 200)["items"]
    assert [row["order"] for row in none] == [None, None]
    too_many = [{"service": service, "device": imei(n)} for n in range(501)]
    refused(await post(bot, {"orders": too_many}), 422, "invalid", "orders")
    refused(await post(bot, {"orders": []}), 422, "invalid", "orders")
    refused(await post(bot, {"orders": [{"service": service, "quantity": "x"}]}), 422, "invalid", "orders.0.quantity")
    assert await count(bot) == 2


async def test_five_hundred_rows_are_one_statement(bot: Bot) -> None:
    rows = [{"service": bot.shop.imei_service, "device": imei(n)} for n in range(500)]
    answer = read(await post(bot, {"orders": rows}), 201)["items"]
    # 1000.00 of credit is enough for all of them.
    assert [row["order"]["device"] for row in answer] == [imei(n) for n in range(500)]
    assert await balance(bot) == 0
    ids = [row["order"]["id"] for row in answer]
    found = read(await bot.http.post("/orders/status", json={"ids": [*ids[:499], 10**12]}))
    assert [order["id"] for order in found["items"]] == ids[:499]
    assert found["unknown"] == [10**12]


async def test_an_order_sent_over_dhru_is_the_same_order(bot: Bot, db: Database) -> None:
    # As the DHRU door makes it of a panel's call.
    [outcome] = await buy(db, bot.shop, await wish(db, bot.shop.imei_service, IMEIS[0]))
    again = read(await post(bot, {"service": str(bot.shop.imei_service), "device": IMEIS[0]}), 200)
    assert (again["id"], again["source"]) == (outcome.order_id, "dhru")
    assert (await count(bot), await balance(bot)) == (1, 998 * MICRO)


async def test_orders_of_others_are_unknown(bot: Bot, db: Database) -> None:
    mine = read(await post(bot, {"service": bot.shop.imei_service, "device": IMEIS[0]}), 201)
    async with db.transaction() as conn:
        from tests.factories import make_customer

        _, _, key, _ = await make_customer(conn, bot.parts.sealer, name="Stranger")
    stranger = {"Authorization": f"Bearer {key}"}
    path = f"/orders/{mine['id']}"
    refused(await bot.get(path, headers=stranger), 404, "not_found")
    refused(await bot.get(f"{path}/file", headers=stranger), 404, "not_found")
    refused(await bot.http.post(f"{path}/cancel", headers=stranger), 404, "not_found")
    found = read(await bot.http.post("/orders/status", json={"ids": [mine["id"]]}, headers=stranger))
    assert found == {"items": [], "unknown": [mine["id"]]}
    assert read(await bot.get("/orders", headers=stranger))["items"] == []
    assert read(await bot.get("/statement", headers=stranger))["items"][0]["kind"] == "topup"
    for odd in ("0", "-1", "x", "99999999999999999999"):
        assert (await bot.get(f"/orders/{odd}")).status_code == 422


async def test_the_list_is_filtered_and_paged_newest_first(bot: Bot, db: Database) -> None:
    rows: list[dict[str, Any]] = [
        {"service": bot.shop.imei_service, "device": imei(n), "reference": f"job {n % 2}"} for n in range(6)
    ]
    rows.append({"service": bot.shop.server_service, "fields": {"Email": "mary@example.com"}})
    ids = [row["order"]["id"] for row in read(await post(bot, {"orders": rows}), 201)["items"]]
    await close(db, ids[0])
    await close(db, ids[1], "rejected")
    async with db.transaction() as conn:
        for place, order_id in enumerate(ids):
            await conn.execute(
                "UPDATE orders SET created_at = '2026-01-01'::timestamptz + %s * interval '1 day' WHERE id = %s",
                (place, order_id),
            )

    async def listed(**query: Any) -> list[int]:
        return [order["id"] for order in read(await bot.get("/orders", params=query))["items"]]

    assert await listed() == ids[::-1]
    assert await listed(state="completed") == [ids[0]]
    assert await listed(state="rejected") == [ids[1]]
    assert await listed(service=bot.shop.server_service) == [ids[6]]
    assert await listed(device=imei(3)) == [ids[3]]
    assert await listed(reference="job 1") == [ids[5], ids[3], ids[1]]
    assert await listed(**{"from": "2026-01-03", "to": "2026-01-05T00:00:00Z"}) == [ids[3], ids[2]]
    assert await listed(to="2026-01-02") == [ids[0]]
    assert await listed(**{"from": "2030-01-01"}) == []
    assert await listed(reference="job 1", state="accepted", **{"from": "2026-01-05"}) == [ids[5]]
    first = read(await bot.get("/orders", params={"limit": 4}))
    assert [order["id"] for order in first["items"]] == ids[:2:-1]
    second = read(await bot.get("/orders", params={"limit": 4, "cursor": first["next_cursor"]}))
    assert ([order["id"] for order in second["items"]], second["next_cursor"]) == (ids[2::-1], None)
    for query in (
        {"state": "sold"},
        {"from": "yesterday"},
        {"limit": 0},
        {"cursor": "x"},
        {"from": "2026-01-01T00:00"},
    ):
        assert read(await bot.get("/orders", params=query), 422)["code"] == "invalid"
    refused(await bot.get("/orders", params={"service": "no-such"}), 404, "service_not_found", "service")


async def test_cancelled_before_a_supplier_has_it_the_money_is_back(bot: Bot, db: Database) -> None:
    order = read(await post(bot, {"service": bot.shop.imei_service, "device": IMEIS[0]}), 201)
    path = f"/orders/{order['id']}/cancel"
    gone = read(await bot.http.post(path))
    assert (gone["state"], gone["refunded"], await balance(bot)) == ("rejected", "2.00", 1000 * MICRO)
    refused(await bot.http.post(path), 409, "conflict")
    at_work = read(await post(bot, {"service": bot.shop.imei_service, "device": IMEIS[1]}), 201)
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE attempts SET state = 'sending', lease_by = 'w', sent_at = now(), lease_until = now()"
            " WHERE order_id = %s",
            (at_work["id"],),
        )
    for _ in range(2):
        asked = read(await bot.http.post(f"/orders/{at_work['id']}/cancel"), 202)
        assert (asked["state"], asked["refunded"]) == ("accepted", "0.00")
        assert asked["cancel_requested_at"] is not None
    assert await balance(bot) == 998 * MICRO


async def test_a_file_service_takes_a_file_and_gives_one_back(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        service = await make_service(conn, name="Sign", type="file", device="none", extensions=["bin"])
        remote = await make_remote_service(conn, bot.shop.supplier_id, remote_id="8", type="file")
        await make_route(conn, service, remote)
    content = bytes(range(256)) * 10
    sent = {"name": "me.bin", "content": base64.b64encode(content).decode()}
    refused(await post(bot, {"service": service}), 422, "invalid", "file.content")
    refused(await post(bot, {"service": service, "file": {**sent, "name": "me.txt"}}), 422, "invalid", "file.name")
    for wrong in ("%%%", "", base64.b64encode(b"x" * 200_001).decode()):
        refused(
            await post(bot, {"service": service, "file": {**sent, "content": wrong}}), 422, "invalid", "file.content"
        )
    assert await count(bot, "files") == 0
    order = read(await post(bot, {"service": service, "file": sent}), 201)
    again = read(await post(bot, {"service": service, "file": sent}), 200)
    assert again["id"] == order["id"]
    assert await count(bot, "files") == 1
    # A file that no service asked for is not kept.
    read(await post(bot, {"service": bot.shop.imei_service, "device": IMEIS[0], "file": sent}), 201)
    assert await count(bot, "files") == 1
    refused(await bot.get(f"/orders/{order['id']}/file"), 404, "not_found")
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "INSERT INTO files (name, media_type, content) VALUES ('r\u00e9sult \"1\".bin', 'text/html', %s)"
            " RETURNING id",
            (content[::-1],),
        )
        row = await cursor.fetchone()
    assert row is not None
    await close(db, order["id"], result_file=row["id"])
    done = read(await bot.get(f"/orders/{order['id']}"))
    assert done["file"]["url"].startswith("https://panel.example/files/")
    got = await bot.get(f"/orders/{order['id']}/file")
    assert (got.status_code, got.content) == (200, content[::-1])
    assert got.headers["content-disposition"].startswith("attachment; ")
    assert got.headers["x-content-type-options"] == "nosniff"


async def test_waiting_answers_as_soon_as_the_order_is_over(bot: Bot, db: Database) -> None:
    async def end_the_next(order: int, *states: str) -> None:
        while await count(bot) < order:  # noqa: ASYNC110  in Postgres
            await asyncio.sleep(0.05)
        async with db.pool.connection() as conn:
            rows = await (
                await conn.execute("SELECT id FROM orders ORDER BY id DESC LIMIT %s", (len(states),))
            ).fetchall()
        for row, state in zip(rows, states, strict=True):
            await close(db, row["id"], state)

    body = {"service": bot.shop.imei_service, "device": IMEIS[0]}
    response, _ = await asyncio.gather(post(bot, body, prefer="wait=20"), end_the_next(1, "completed"))
    assert (read(response)["result"], response.headers["preference-applied"]) == ("Model: iPhone 13", "wait=20")
    many = {"orders": [{**body, "device": IMEIS[1]}, {**body, "device": "1"}, {**body, "device": IMEIS[2]}]}
    response, _ = await asyncio.gather(
        post(bot, many, prefer="respond-async, wait=99"), end_the_next(3, "completed", "rejected")
    )
    rows = read(response)["items"]
    assert [row["order"] and row["order"]["state"] for row in rows] == ["rejected", None, "completed"]
    assert response.headers["preference-applied"] == "wait=30"
    open_still = await post(bot, {**body, "device": IMEIS[3]}, prefer="wait=1")
    order = read(open_still, 202)
    assert (order["state"], open_still.headers["preference-applied"]) == ("accepted", "wait=1")
    response = await bot.get(f"/orders/{order['id']}", headers={"Prefer": "wait=1"})
    assert (read(response)["state"], response.headers["preference-applied"]) == ("accepted", "wait=1")
    waiting = asyncio.gather(*(bot.get(f"/orders/{order['id']}", headers={"Prefer": "wait=20"}) for _ in range(30)))
    async with asyncio.timeout(60):
        while len(bot.parts.waiters._waiting) < 30:  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.01)
    # Thirty wait, and a pool of ten connections is free for others.
    assert bot.parts.db.pool.get_stats()["requests_waiting"] == 0
    await close(db, order["id"])
    assert {read(answer)["state"] for answer in await waiting} == {"completed"}
    over = await bot.get(f"/orders/{order['id']}", headers={"Prefer": "wait=20"})
    assert "preference-applied" not in over.headers
    for nonsense in ("wait", "wait=x", "wait=0", "waiting=5", "wait=-1"):
        answer = await post(bot, {**body, "device": IMEIS[4]}, prefer=nonsense)
        assert answer.status_code in (200, 201)
        assert "preference-applied" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/orders", "orders.create"),
        ("POST", "/orders/1/cancel", "orders.create"),
        ("GET", "/orders", "orders.read"),
        ("GET", "/orders/1", "orders.read"),
        ("GET", "/orders/1/file", "orders.read"),
        ("POST", "/orders/status", "orders.read"),
        ("GET", "/statement", "money.read"),
        ("GET", "/topups", "topups.create"),
        ("POST", "/topups", "topups.create"),
    ],
)
async def test_every_call_needs_its_scope(bot: Bot, method: str, path: str, scope: str) -> None:
    every = {"services.read", "orders.create", "orders.read", "money.read", "topups.create"}
    key = await bot.key(scopes=sorted(every - {scope}))
    body = {"service": bot.shop.imei_service, "device": IMEIS[0]} if method == "POST" else None
    headers = {"Authorization": f"Bearer {key}"}
    refused(await bot.http.request(method, path, json=body, headers=headers), 403, "scope_missing")
    headers = {"Authorization": f"Bearer {await bot.key(scopes=[scope])}"}
    assert (await bot.http.request(method, path, json=body, headers=headers)).status_code not in (401, 403)


async def test_the_books_are_sound_after_all_of_it(bot: Bot, db: Database) -> None:
    body = {"service": bot.shop.imei_service, "device": IMEIS[0]}
    order = read(await post(bot, body), 201)
    await bot.http.post(f"/orders/{order['id']}/cancel")
    read(await post(bot, {"orders": [{**body, "device": one} for one in IMEIS]}, **{"Idempotency-Key": "k"}), 201)
    result = await audit(db)
    assert result.ok, result.findings
