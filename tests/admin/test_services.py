"""What is on sale: services with their fields, groups made by name, and prices of groups and customers."""

import asyncio
from typing import Any

import httpx2

from app.catalog.snapshot import load_catalog, prices_for
from app.db import Database
from tests.admin.conftest import ok, refused
from tests.factories import wait_until_locked

NEW = {"name": "Check", "group": "Checks", "type": "imei", "price": "1.50"}


async def create(owner: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Create a service."""
    return await ok(owner.post("services", json={**NEW, **changes}), 201)


async def test_a_service_has_what_was_asked_for(owner: httpx2.AsyncClient, db: Database) -> None:
    fields: list[dict[str, Any]] = [
        {"name": " Email ", "required": True, "description": "Yours", "pattern": "^.+@.+$"},
        {"name": "Colour", "type": "dropdown", "options": ["red", "blue"]},
    ]
    made = await create(
        owner,
        type="server",
        fields=fields,
        min_quantity=2,
        max_quantity=50,
        time="1 hour",
        info="<b>bold</b>",
        rules={"duplicates": "allow"},
        currency="EUR",
        position=3,
    )
    assert made["fields"] == [
        {"type": "text", "options": [], **fields[0]},
        {"required": False, "description": "", "pattern": "", **fields[1]},
    ]
    assert (made["device"], made["takes_quantity"], made["min_quantity"], made["max_quantity"]) == ("none", True, 2, 50)
    assert await ok(owner.get(f"services/{made['id']}")) == made
    async with db.pool.connection() as conn:
        sold = (await load_catalog(conn)).services[made["id"]]
    assert [field.name for field in sold.fields] == [" Email ", "Colour"]
    assert (sold.price, sold.currency, sold.info) == (1_500_000, "EUR", "<b>bold</b>")


async def test_quantities(owner: httpx2.AsyncClient) -> None:
    for given, takes, smallest, largest in (
        ({}, False, 1, 1),
        ({"takes_quantity": True}, True, 1, 100_000),
        ({"min_quantity": 5}, True, 5, 100_000),
        ({"max_quantity": 5}, True, 1, 5),
        ({"takes_quantity": None, "min_quantity": None}, False, 1, 1),
    ):
        made = await create(owner, **given)
        assert (made["takes_quantity"], made["min_quantity"], made["max_quantity"]) == (takes, smallest, largest), given
    for given, field in (
        ({"min_quantity": 5, "max_quantity": 4}, "max_quantity"),
        ({"min_quantity": 0}, "min_quantity"),
        ({"max_quantity": 100_001}, "max_quantity"),
        ({"takes_quantity": False, "max_quantity": 4}, "takes_quantity"),
    ):
        await refused(owner.post("services", json={**NEW, **given}), 422, "invalid", field)


async def test_a_change_leaves_what_it_does_not_name(owner: httpx2.AsyncClient, db: Database) -> None:
    made = await create(owner, fields=[{"name": "Email"}], min_quantity=2, max_quantity=9, info="text")
    path = f"services/{made['id']}"
    assert await ok(owner.patch(path, json={})) == made
    changed = await ok(owner.patch(path, json={"price": 2, "group": "Other", "max_quantity": 20}))
    assert changed == {**made, "price": "2.00", "group": "Other", "group_id": changed["group_id"], "max_quantity": 20}
    changed = await ok(
        owner.patch(path, json={"takes_quantity": False, "fields": [{"name": "Phone"}, {"name": "Email"}]})
    )
    assert (changed["takes_quantity"], changed["min_quantity"], changed["max_quantity"]) == (False, 1, 1)
    assert [field["name"] for field in changed["fields"]] == ["Phone", "Email"]
    assert (await ok(owner.patch(path, json={"fields": []})))["fields"] == []
    await ok(owner.patch(path, json={"state": "hidden"}))
    async with db.pool.connection() as conn:
        assert (await load_catalog(conn)).services == {}
    for body, field in (
        ({"type": "server"}, "type"),
        ({"currency": "EUR"}, "currency"),
        ({"name": None}, "name"),
        ({"price": None}, "price"),
        ({"device": None}, "device"),
        ({"state": "gone"}, "state"),
        ({"min_quantity": 9, "max_quantity": 2}, "max_quantity"),
        ({"name": "  "}, "name"),
    ):
        await refused(owner.patch(path, json=body), 422, "invalid", field)
    await refused(owner.patch("services/999", json={}), 404, "not_found")


async def test_what_cannot_be_sold_is_refused(owner: httpx2.AsyncClient) -> None:
    for changes, field in (
        ({"price": "-1"}, "price"),
        ({"price": "1000000.000001"}, "price"),
        ({"price": "free"}, "price"),
        ({"name": ""}, "name"),
        ({"group": " "}, "group"),
        ({"type": "fax"}, "type"),
        ({"device": "phone"}, "device"),
        ({"currency": "usd"}, "currency"),
        ({"fields": [{"name": "A"}, {"name": " a "}]}, "fields.1.name"),
        ({"fields": [{"name": " "}]}, "fields.0.name"),
        ({"fields": [{"name": "A", "type": "dropdown"}]}, "fields.0.options"),
        ({"fields": [{"name": "A", "type": "colour"}]}, "fields.0.type"),
        ({"fields": {"name": "A"}}, "fields"),
        ({"prise": "1"}, "prise"),
    ):
        await refused(owner.post("services", json={**NEW, **changes}), 422, "invalid", field)
    assert (await ok(owner.get("services")))["items"] == []


async def test_a_new_group_named_by_many_at_once_is_one(owner: httpx2.AsyncClient) -> None:
    made = await asyncio.gather(*(create(owner, name=f"Check {number}") for number in range(8)))
    assert len({service["group_id"] for service in made}) == 1


async def test_services_are_searched_and_read_page_by_page(owner: httpx2.AsyncClient) -> None:
    for number in range(5):
        await create(owner, name=f"Check 100% {number}", group="Even" if number % 2 == 0 else "Odd")
    page = await ok(owner.get("services", params={"limit": 3, "search": "100%"}))
    rest = await ok(owner.get("services", params={"limit": 3, "search": "100%", "cursor": page["next_cursor"]}))
    assert [row["name"][-1] for row in page["items"] + rest["items"]] == ["0", "1", "2", "3", "4"]
    assert (len(page["items"]), rest["next_cursor"]) == (3, None)
    assert len((await ok(owner.get("services", params={"search": "odd"})))["items"]) == 2
    assert (await ok(owner.get("services", params={"state": "hidden"})))["items"] == []


async def test_prices_of_groups_and_customers(owner: httpx2.AsyncClient, db: Database) -> None:
    service = await create(owner)
    group = await ok(owner.post("price-groups", json={"name": "Gold"}), 201)
    customer = await ok(
        owner.post("customers", json={"name": "Fix", "email": "a@fix.example", "price_group_id": group["id"]}), 201
    )

    async def price() -> int:
        async with db.pool.connection() as conn:
            found = await prices_for(conn, customer_id=customer["id"], price_group_id=group["id"], currency="USD")
        return found[service["id"]]

    assert await price() == 1_500_000
    for_group, for_customer = (
        f"price-groups/{group['id']}/prices/{service['id']}",
        f"customers/{customer['id']}/prices/{service['id']}",
    )
    await ok(owner.put(for_group, json={"price": "1.25"}))
    assert await price() == 1_250_000
    await ok(owner.put(for_customer, json={"price": "1.10"}))
    await ok(owner.put(for_customer, json={"price": "1.00"}))
    assert await price() == 1_000_000
    listed = await ok(owner.get(f"customers/{customer['id']}/prices"))
    assert listed["items"] == [{"service_id": service["id"], "service": "Check", "price": "1.00", "currency": "USD"}]
    assert (await ok(owner.get(f"price-groups/{group['id']}/prices")))["items"][0]["price"] == "1.25"
    await ok(owner.delete(for_customer))
    assert await price() == 1_250_000
    await ok(owner.delete(for_group))
    assert await price() == 1_500_000
    for path in (for_customer, for_group):
        await refused(owner.delete(path), 404, "not_found")
        await refused(owner.put(path, json={"price": "-0.01"}), 422, "invalid", "price")
    await refused(
        owner.put(f"customers/{customer['id']}/prices/999", json={"price": "1"}), 404, "not_found", "service_id"
    )
    await refused(owner.put(f"customers/999/prices/{service['id']}", json={"price": "1"}), 404, "not_found")
    await refused(
        owner.put(f"price-groups/999/prices/{service['id']}", json={"price": "1"}), 404, "not_found", "price_group_id"
    )
    await refused(owner.post("price-groups", json={"name": "Gold"}), 409, "conflict", "name")


async def test_a_price_group_is_of_the_customers_currency(owner: httpx2.AsyncClient) -> None:
    group = await ok(owner.post("price-groups", json={"name": "Euro", "currency": "EUR"}), 201)
    customer = await ok(owner.post("customers", json={"name": "Fix", "email": "a@fix.example"}), 201)
    path = f"customers/{customer['id']}"
    await refused(owner.patch(path, json={"price_group_id": group["id"]}), 422, "invalid", "price_group_id")
    dollars = await ok(owner.post("price-groups", json={"name": "Dollar"}), 201)
    assert (await ok(owner.patch(path, json={"price_group_id": dollars["id"]})))["price_group_id"] == dollars["id"]
    assert (await ok(owner.patch(path, json={"price_group_id": None})))["price_group_id"] is None
    assert [row["name"] for row in (await ok(owner.get("price-groups")))["items"]] == ["Dollar", "Euro"]


async def test_a_file_service_says_which_files_it_takes(owner: httpx2.AsyncClient) -> None:
    made = await create(owner, type="file", extensions=[".BCL", "txt", "bcl"])
    assert (made["device"], made["extensions"]) == ("none", ["bcl", "txt"])
    assert (await ok(owner.patch(f"services/{made['id']}", json={"extensions": []})))["extensions"] == []
    for given, field in (
        ({"type": "file", "extensions": ["a/b"]}, "extensions"),
        ({"type": "imei", "extensions": ["bcl"]}, "extensions"),
        ({"type": "file", "device": "imei"}, "device"),
    ):
        await refused(owner.post("services", json={**NEW, **given}), 422, "invalid", field)


async def test_a_code_is_given_once(owner: httpx2.AsyncClient) -> None:
    made = await create(owner, code=" IPhone-Check ")
    assert made["code"] == "iphone-check"
    other = await create(owner)
    path = f"services/{other['id']}"
    await refused(owner.patch(path, json={"code": "iphone-check"}), 409, "conflict", "code")
    for code in ("1phone", "a", "a b", "-a", "ä" * 3):
        await refused(owner.patch(path, json={"code": code}), 422, "invalid", "code")
    assert (await ok(owner.patch(f"services/{made['id']}", json={"code": "iphone-check"})))["code"] == "iphone-check"
    assert (await ok(owner.patch(f"services/{made['id']}", json={"code": ""})))["code"] is None
    assert (await ok(owner.patch(path, json={"code": "iphone-check"})))["code"] == "iphone-check"


async def test_a_code_that_two_give_at_once_is_refused_to_one(owner: httpx2.AsyncClient, db: Database) -> None:
    paths = [f"services/{(await create(owner, name=name))['id']}" for name in ("One", "Two")]
    async with db.transaction() as conn:
        await conn.execute("SELECT FROM catalog_version FOR UPDATE")  # both get as far as they can
        calls = [asyncio.create_task(owner.patch(path, json={"code": "the-one"})) for path in paths]
        await wait_until_locked(conn, 2)
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (late,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert (late["code"], late["field"]) == ("conflict", "code")
