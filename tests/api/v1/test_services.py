"""What is sold, at whose price, and how a program keeps its copy fresh."""

import asyncio

import pytest
from jsonschema import Draft202012Validator

from app.db import Database
from app.money import MICRO
from tests.api.v1.conftest import Bot, read, refused
from tests.factories import make_remote_service, make_route, make_service


async def test_the_list_has_everything_an_order_needs(bot: Bot) -> None:
    body = read(await bot.get("/services"))
    assert body["next_cursor"] is None
    check, activation = body["items"]
    assert check == {
        "id": bot.shop.imei_service,
        "code": None,
        "name": "IMEI check",
        "group": {"id": check["group"]["id"], "name": "Checks"},
        "type": "imei",
        "device": "imei",
        "price": "2.00",
        "currency": "USD",
        "quantity": None,
        "info": "",
        "extensions": [],
        "fields": {"type": "object", "properties": {}, "required": []},
        "availability": "available",
        "delivery": {"text": "", "usual_seconds": None, "longest_seconds": None},
    }
    fields = Draft202012Validator(activation["fields"])
    assert fields.is_valid({"Email": "somebody@example.com"})
    assert not fields.is_valid({})
    assert not fields.is_valid({"Email": ""})


async def test_pages_follow_each_other_and_filters_narrow(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        more = [await make_service(conn, name=f"Extra <b>{number}</b>", group="More") for number in range(5)]
    seen: list[int] = []
    cursor = None
    while True:
        page = read(await bot.get("/services", params={"limit": 2, **({"cursor": cursor} if cursor else {})}))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [bot.shop.imei_service, bot.shop.server_service, *more]
    [server] = read(await bot.get("/services", params={"type": "server"}))["items"]
    assert server["id"] == bot.shop.server_service
    groups = read(await bot.get("/groups"))["items"]
    assert [(group["name"], group["services"]) for group in groups] == [("Checks", 1), ("More", 5), ("Server", 1)]
    of_group = read(await bot.get("/services", params={"group": groups[1]["id"], "search": "<B>3"}))["items"]
    assert [item["id"] for item in of_group] == [more[3]]
    # Nothing leads from it to a supplier.
    assert of_group[0]["availability"] == "unavailable"


async def test_a_copy_is_kept_fresh_by_its_etag(bot: Bot, db: Database) -> None:
    first = await bot.get("/services")
    again = await bot.get("/services", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET price = price + 1 WHERE id = %s", (bot.shop.imei_service,))
    changed = await bot.get("/services", headers={"If-None-Match": first.headers["etag"]})
    assert read(changed)["items"][0]["price"] == "2.000001"
    assert changed.headers["etag"] != first.headers["etag"]


async def test_everybody_sees_their_own_price(bot: Bot, db: Database) -> None:
    path = f"/services/{bot.shop.imei_service}"
    async with db.transaction() as conn:
        await conn.execute("INSERT INTO price_groups (name, currency) VALUES ('Gold', 'USD')")
        await conn.execute("UPDATE customers SET price_group_id = (SELECT id FROM price_groups)")
        await conn.execute(
            "INSERT INTO group_prices (price_group_id, service_id, price) SELECT id, %s, %s FROM price_groups",
            (bot.shop.imei_service, 3 * MICRO // 2),
        )
    assert read(await bot.get(path))["price"] == "1.50"
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO customer_prices (customer_id, service_id, price) VALUES (%s, %s, %s)",
            (bot.shop.customer_id, bot.shop.imei_service, MICRO),
        )
    assert read(await bot.get(path))["price"] == "1.00"
    history = read(await bot.get("/prices/history", params={"service": str(bot.shop.imei_service)}))["items"]
    assert [one["price"] for one in history] == ["1.00", "1.50", "2.00"]
    page = read(await bot.get("/prices/history", params={"service": str(bot.shop.imei_service), "limit": 2}))
    rest = read(
        await bot.get("/prices/history", params={"service": str(bot.shop.imei_service), "cursor": page["next_cursor"]})
    )
    assert page["items"] + rest["items"] == history


async def test_a_service_has_a_code_for_programs(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute("UPDATE services SET code = 'imei-check' WHERE id = %s", (bot.shop.imei_service,))
    by_code = read(await bot.get("/services/IMEI-check"))
    assert by_code == read(await bot.get(f"/services/{bot.shop.imei_service}"))
    assert by_code["code"] == "imei-check"
    [found] = read(await bot.get("/services", params={"search": "imei-ch"}))["items"]
    assert found == by_code


@pytest.mark.parametrize("name", ["0", "999999", "9" * 60, "no-such", "%00", "٣", "1.0", "-1"])
async def test_a_service_that_is_not_there(bot: Bot, name: str) -> None:
    answer = await bot.get(f"/services/{name}")
    assert answer.status_code in (404, 422), answer.text


async def test_what_is_not_sold_to_a_caller_is_not_there(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        euros = await make_service(conn, name="In euros", currency="EUR")
        hidden = await make_service(conn, name="Hidden", state="hidden")
    for service in (euros, hidden):
        refused(await bot.get(f"/services/{service}"), 404, "service_not_found", "service")
        refused(await bot.get("/prices/history", params={"service": str(service)}), 404, "service_not_found", "service")
    assert len(read(await bot.get("/services"))["items"]) == 2


async def becomes(bot: Bot, availability: str) -> None:
    """Wait until the service stands so: calls do not wait for the reading that they set off."""
    async with asyncio.timeout(60):
        while True:
            if read(await bot.get(f"/services/{bot.shop.imei_service}"))["availability"] == availability:
                return
            await asyncio.sleep(0.02)


async def test_availability_follows_the_suppliers(bot: Bot, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.v1.standing.REFRESH_SECONDS", 0.0)
    path = f"/services/{bot.shop.imei_service}"
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO remote_measures (remote_service_id, answered, delivered, success_permille, p50_seconds,"
            " p95_seconds) SELECT remote_service_id, 20, 20, 990, 95, 290 FROM routes WHERE service_id = %s",
            (bot.shop.imei_service,),
        )
    measured = read(await bot.get(path))
    assert measured["delivery"] == {"text": "", "usual_seconds": 95, "longest_seconds": 290}
    for state, change in (
        ("delayed", "UPDATE suppliers SET paused_until = now() + interval '1 hour'"),
        ("unavailable", "UPDATE suppliers SET state = 'paused'"),
    ):
        async with db.transaction() as conn:
            await conn.execute(change)
        await becomes(bot, state)
    async with db.transaction() as conn:
        remote = await make_remote_service(conn, bot.shop.supplier_id, remote_id="9", cost=None)
        await make_route(conn, bot.shop.imei_service, remote)
        await conn.execute("UPDATE suppliers SET state = 'active', paused_until = NULL")
    await becomes(bot, "available")


async def test_choices_are_those_of_the_service(bot: Bot, db: Database) -> None:
    async with db.transaction() as conn:
        field: list[dict[str, object]] = [{"name": "Mobile", "required": True}, {"name": "Provider"}, {"name": "MEP"}]
        service = await make_service(conn, name="Unlock", fields=field)
        remote = await make_remote_service(conn, bot.shop.supplier_id, remote_id="7", fields=field)
        await make_route(conn, service, remote)
        for kind, remote_id, parent, name in (
            ("brand", "12", "", "Apple"),
            ("brand", "13", "", "Nokia"),
            ("device", "100", "12", "iPhone <i>X</i>"),
            ("device", "101", "13", "3310"),
            ("network", "200", "Spain", "Movistar"),
            ("mep", "300", "", "MEP-1"),
        ):
            await conn.execute(
                "INSERT INTO device_entries (supplier_id, kind, remote_id, parent, name) VALUES (%s, %s, %s, %s, %s)",
                (bot.shop.supplier_id, kind, remote_id, parent, name),
            )
        await conn.execute("UPDATE catalog_version SET version = version + 1")
    ask = {"service": str(service)}
    assert read(await bot.get("/brands", params=ask)) == {
        "items": [{"value": "12", "name": "Apple"}, {"value": "13", "name": "Nokia"}],
        "next_cursor": None,
    }
    [phone] = read(await bot.get("/devices", params={**ask, "brand": "12"}))["items"]
    assert (phone["value"], phone["name"], phone["brand"]["name"]) == ("100", "iPhone <i>X</i>", "Apple")
    page = read(await bot.get("/devices", params={**ask, "limit": 1}))
    rest = read(await bot.get("/devices", params={**ask, "limit": 1, "cursor": page["next_cursor"]}))
    assert [one["value"] for one in page["items"] + rest["items"]] == ["100", "101"]
    assert rest["next_cursor"] is None
    [network] = read(await bot.get("/networks", params={**ask, "search": "spa"}))["items"]
    assert (network["value"], network["country"]) == ("200", "Spain")
    assert [one["name"] for one in read(await bot.get("/meps", params=ask))["items"]] == ["MEP-1"]
    [unlock] = read(await bot.get("/services", params={"search": "unlock"}))["items"]
    assert unlock["fields"]["properties"]["Mobile"]["x-choices"] == "devices"
    # A service without a choice has none; nor does it show those of others.
    for path in ("/brands", "/devices", "/networks", "/meps"):
        assert read(await bot.get(path, params={"service": str(bot.shop.imei_service)}))["items"] == []


async def test_a_key_without_the_scope_sees_no_prices(bot: Bot) -> None:
    headers = {"Authorization": f"Bearer {await bot.key(scopes=['orders.read'])}"}
    for path in ("/services", "/services/1", "/groups", "/prices/history", "/brands", "/devices", "/networks", "/meps"):
        answer = await bot.get(path, headers=headers, params={"service": "1"})
        refused(answer, 403, "scope_missing")
