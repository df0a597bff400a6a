"""What iSave's document says, in its own words and examples: requests, replies, codes."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from app.api.isave.commands import Commands, _call
from app.api.isave.results import data_of
from app.connectors import registry
from app.connectors.base import Placed, PlaceRequest, ServiceType
from app.connectors.errors import RefusalReason, Refused, Unclear
from app.customers.keys import create_key
from app.customers.service import authenticate
from app.money import MICRO, Money
from app.text import plain
from tests.api.isave.conftest import DEVICE, Client
from tests.api.v1.test_orders import close
from tests.factories import imei, make_route, make_service

RESULT = (
    "Product Description: iPhone 13 GREEN 128GB\nIMEI: 356557847079356\nSerial: ABCDEF123456\n"
    "Carrier Name: Unlocked\nFMI Status: OFF"
)


CHECK = {"command": "gsx", "identifier": DEVICE}


async def end(client: Client, count: int = 1, to: str = "completed", text: str = RESULT) -> None:
    """End the ``count``-th order as soon as it is there."""
    while len(await client.orders()) < count:  # noqa: ASYNC110  in Postgres
        await asyncio.sleep(0.02)
    order = (await client.orders())[count - 1]
    await close(client.db, order["id"], to, **{"result" if to == "completed" else "reason": text})


async def test_4_check_balance(client: Client) -> None:
    # {"command":"balance"}
    response = await client.send({"command": "balance"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    # "username": "client_username", "balance": 336.81, "currency": "USD": the balance is a number.
    assert response.text == '{"success":true,"username":"reseller","balance":336.81,"currency":"USD"}'


async def test_5_get_service_list(client: Client) -> None:
    # {"command":"services"}
    body = (await client.send({"command": "services"})).json()
    assert body["success"] is True
    assert body["services"][0] == {
        "command_name": "gsx",
        "service_title": "GSX Standard Report",
        "description": "Official API Service",
        "price": "0.40",
    }
    # "Always use the exact value from command_name": a service without a code has its id there.
    others = {one["command_name"]: one["price"] for one in body["services"][1:]}
    assert others == {str(client.shop.imei_service): "2.00", str(client.shop.server_service): "5.00"}


async def test_6_place_an_order(client: Client) -> None:
    # {"command":"gsx","identifier":"356557847079356"}
    response, _ = await asyncio.gather(client.send({"command": "gsx", "identifier": DEVICE}), end(client))
    assert response.status_code == 200
    [order] = await client.orders()
    assert orjson.loads(response.content) == {
        "success": True,
        "request_id": str(order["id"]),
        "credits": 336.41,
        "data": {
            "productDescription": "iPhone 13 GREEN 128GB",
            "imei": "356557847079356",
            "serial": "ABCDEF123456",
            "carrierName": "Unlocked",
            "fmiStatus": "OFF",
        },
    }
    assert b'"credits":336.41,' in response.content
    assert (order["source"], order["price"], order["reference"]) == ("isave", 400_000, "")


async def test_the_identifier_may_be_a_serial_number_and_the_tracking_id_is_kept(client: Client) -> None:
    response, _ = await asyncio.gather(
        client.check("F2LXK1ABCDE1", custom_request_id="bot-77"), end(client, text="Locked")
    )
    assert response.json()["data"] == {"serial": "F2LXK1ABCDE1", "result": "Locked"}
    assert (await client.orders())[0]["reference"] == "bot-77"
    # PHP programs send an IMEI as a number.
    response, _ = await asyncio.gather(
        client.send({"command": "GSX", "identifier": int(DEVICE), "custom_request_id": 78}), end(client, 2)
    )
    assert response.json()["data"]["imei"] == DEVICE


@pytest.mark.parametrize(
    ("body", "code"),
    [
        # "400 Bad Request: Required fields missing or invalid."
        ({}, 400),
        ({"command": ""}, 400),
        ({"command": None}, 400),
        ({"command": ["balance"]}, 400),
        ({"command": True}, 400),
        ({"command": "gsx"}, 400),
        ({"command": "gsx", "identifier": "  "}, 400),
        ({"command": "gsx", "identifier": {"imei": DEVICE}}, 400),
        ({"command": "gsx", "identifier": "356557847079357"}, 400),
        ({"command": "gsx", "identifier": "x" * 300}, 400),
        ({"command": "gsx", "identifier": "a\x00b"}, 400),
        ({"command": "2", "identifier": "not an e-mail", "fields": {"x": 1}, "custom_request_id": []}, 400),
        (["balance"], 400),
        ("balance", 400),
        (1.5, 400),
        # "404 Service Not Found: Re-check with services."
        ({"command": "GSX Standard Report", "identifier": DEVICE}, 404),
        ({"command": "nope", "identifier": DEVICE}, 404),
        ({"command": "99999999999999999999", "identifier": DEVICE}, 404),
    ],
)
async def test_14_codes_of_a_bad_request_and_an_unknown_service(client: Client, body: Any, code: int) -> None:
    response = await client.send(body)
    said = response.json()
    assert (response.status_code, said["success"], list(said)) == (code, False, ["success", "error"])
    assert said["error"].startswith({400: "Bad Request: ", 404: "Service Not Found: "}[code])
    assert await client.orders() == []


async def test_a_body_that_is_no_json_or_too_large(client: Client) -> None:
    for content in (b"", b"command=balance", b"{", b'{"command": "\\ud800"}', b"[" * 50_000, b" " * 70_000):
        response = await client.http.post("/api/v1/check", content=content, headers=client.headers)
        assert (response.status_code, response.json()["success"]) == (400, False), content[:20]
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        response = await client.http.request(method, "/api/v1/check", headers=client.headers)
        assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_14_401_without_a_valid_key(client: Client) -> None:
    # "Sending the API key in the wrong place": only the header counts, and nothing else is looked at.
    for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": "tk_wrong"}, {"Authorization": f"Bearer {client.shop.key}"}):
        client.headers = headers
        for body in ({"command": "balance"}, {"command": "gsx", "identifier": DEVICE}, {"api_key": client.shop.key}):
            response = await client.send(body)
            assert (response.status_code, response.json()["success"]) == (401, False)
    async with client.db.transaction() as conn:
        await conn.execute("UPDATE customers SET state = 'suspended'")
    client.headers = {"X-API-Key": client.shop.key}
    assert (await client.send({"command": "balance"})).status_code == 401
    assert await client.orders() == []


async def test_14_402_out_of_balance(client: Client) -> None:
    async with client.db.transaction() as conn:
        await conn.execute("UPDATE accounts SET balance = 399999 WHERE customer_id = %s", (client.shop.customer_id,))
    response = await client.check()
    assert (response.status_code, response.json()["success"]) == (402, False)
    assert "Insufficient Balance" in response.json()["error"]
    assert await client.orders() == []


@pytest.mark.parametrize(
    ("scope", "body"),
    [
        ("money.read", {"command": "balance"}),
        ("services.read", {"command": "services"}),
        ("orders.create", {"command": "gsx", "identifier": DEVICE}),
    ],
)
async def test_14_403_for_a_key_that_may_not(client: Client, scope: str, body: dict[str, str]) -> None:
    async with client.db.transaction() as conn:
        every = {"services.read", "orders.create", "orders.read", "money.read"}
        less = await create_key(conn, client.door.sealer, client.shop.customer_id, scopes=sorted(every - {scope}))
        away = await create_key(conn, client.door.sealer, client.shop.customer_id, allowed_ips=["203.0.113.0/24"])
    for key in (less, away):
        # Nobody is believed about where a client is but a trusted proxy.
        response = await client.send(body, **{"X-API-Key": key.key, "X-Forwarded-For": "203.0.113.5"})
        assert (response.status_code, response.json()["success"]) == (403, False)
    assert await client.orders() == []


async def test_14_504_and_retried_once_later_it_is_the_same_order(client: Client) -> None:
    with client.in_a_hurry():
        response = await client.check()
    said = response.json()
    assert (response.status_code, said["success"]) == (504, False)
    [order] = await client.orders()
    assert said["request_id"] == str(order["id"])
    # Long after the window in which the same order is recognised by itself.
    async with client.db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '3 hours'")
    with client.in_a_hurry():
        assert (await client.check()).status_code == 504
    await end(client)
    for _ in range(2):
        async with client.db.transaction() as conn:
            await conn.execute("UPDATE orders SET created_at = now() - interval '1 second'")
        retried = await client.check()
        assert (retried.status_code, retried.json()["request_id"]) == (200, str(order["id"]))
        assert retried.json()["credits"] == 336.41
    assert len(await client.orders()) == 1
    # Its result was handed out: the same check is a new one.
    async with client.db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '3 hours'")
    response, _ = await asyncio.gather(client.check(), end(client, 2))
    assert response.json()["request_id"] != str(order["id"])
    assert response.json()["credits"] == 336.01


async def test_a_client_that_hung_up_before_the_result_gets_it_when_it_asks_again(client: Client) -> None:
    call = asyncio.create_task(client.http.post("/api/v1/check", json=CHECK, headers=client.headers))
    await client.waited_for()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert call.cancelled()
    await end(client)
    await asyncio.sleep(1)  # the server's answer goes nowhere
    async with client.db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '3 hours'")
    again = await client.check()
    assert (again.status_code, again.json()["credits"]) == (200, 336.41)
    assert len(await client.orders()) == 1


async def test_over_while_nobody_waited_it_is_handed_out_once_and_charged_once(client: Client) -> None:
    with client.in_a_hurry():
        assert (await client.check()).status_code == 504
    await end(client, to="rejected", text="Not found in GSX")
    async with client.db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '3 hours'")
    response = await client.check()
    # Ordered, and refused by the supplier: the money is back.
    assert response.status_code == 200
    [order] = await client.orders()
    assert response.json() == {
        "success": False,
        "error": "Not found in GSX",
        "request_id": str(order["id"]),
        "credits": 336.81,
    }


async def test_what_was_handed_out_late_does_not_free_the_check_that_came_since(client: Client) -> None:
    first, _ = await asyncio.gather(client.check(), end(client))
    async with client.db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '3 hours'")
    with client.in_a_hurry():
        second = await client.check()
    assert second.status_code == 504
    async with client.db.pool.connection() as conn:
        identity = await authenticate(conn, client.door.sealer.hashes(client.shop.key), ip=None)
    number = int(first.json()["request_id"])
    await Commands(client.door).handed_out(identity, number, _call("gsx", DEVICE))
    await end(client, 2)
    async with client.db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '3 hours'")
    assert (await client.check()).json()["request_id"] == second.json()["request_id"]
    assert len(await client.orders()) == 2


async def test_the_same_check_many_times_at_once_is_one_order(client: Client) -> None:
    answers = asyncio.gather(*(client.check() for _ in range(20)))
    await end(client)
    assert {answer.status_code for answer in await answers} == {200}
    assert len({answer.json()["request_id"] for answer in await answers}) == 1
    assert len(await client.orders()) == 1


async def test_an_open_order_of_another_door_is_waited_for(client: Client) -> None:
    bearer = {"Authorization": f"Bearer {client.shop.key}"}
    placed = await client.http.post("/api/v1/orders", json={"service": "gsx", "device": DEVICE}, headers=bearer)
    assert placed.status_code == 201
    async with client.db.transaction() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '3 hours'")
    waiting = asyncio.create_task(client.check())
    await client.waited_for()
    await end(client)
    assert (await waiting).json()["request_id"] == str(placed.json()["id"])
    # And this door's orders are those of the others.
    shown = await client.http.get(f"/api/v1/orders/{placed.json()['id']}", headers=bearer)
    assert shown.json()["state"] == "completed"
    assert len(await client.orders()) == 1


async def test_what_no_supplier_can_do_is_a_plain_no(client: Client) -> None:
    async with client.db.transaction() as conn:
        await make_service(conn, name="Nowhere", code="nowhere")
    response = await client.send({"command": "nowhere", "identifier": DEVICE})
    assert (response.status_code, response.json()["success"]) == (404, False)
    assert "nothing was charged" in response.json()["error"]


async def test_what_cannot_be_said_here_is_not_on_the_list(client: Client) -> None:
    async with client.db.transaction() as conn:
        remote = (await (await conn.execute("SELECT id FROM remote_services LIMIT 1")).fetchone() or {})["id"]
        two = [{"name": "Email", "required": True}, {"name": "Phone", "required": True}]
        many = await make_service(
            conn, name="By number", type="server", takes_quantity=True, min_quantity=10, max_quantity=50, price=MICRO
        )
        for service in (
            await make_service(conn, name="File", type="file", device="none", code="file"),
            await make_service(conn, name="Fields", code="fields", fields=two[:1]),
            await make_service(conn, name="Server", type="server", code="server", fields=two),
            await make_service(conn, name="Off", code="off", state="hidden"),
            await make_service(conn, name="Balance", code="balance"),
            many,
        ):
            await make_route(conn, service, remote)
    listed = {one["service_title"]: one for one in (await client.send({"command": "services"})).json()["services"]}
    assert set(listed) == {"GSX Standard Report", "IMEI check", "Activation", "By number", "Balance"}
    # The least that can be ordered, and a name that is no command.
    assert listed["By number"]["price"] == "10.00"
    assert listed["Balance"]["command_name"].isdigit()
    assert (await client.send({"command": "balance"})).json()["balance"] == 336.81


async def test_beyond_the_limit_of_the_key(client: Client) -> None:
    async with client.db.transaction() as conn:
        key = await create_key(conn, client.door.sealer, client.shop.customer_id, requests_per_minute=3)
    client.headers = {"X-API-Key": key.key}
    answers = [await client.send({"command": "balance"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert (answers[-1].json()["success"], int(answers[-1].headers["retry-after"]) > 0) == (False, True)
    # One limit for this door and the REST API.
    rest = await client.http.get("/api/v1/account", headers={"Authorization": f"Bearer {key.key}"})
    assert rest.status_code in (200, 429)


async def test_who_guesses_keys_has_to_wait(client: Client) -> None:
    for number in range(30):
        assert (await client.send({"command": "balance"}, **{"X-API-Key": f"tk_{number}"})).status_code == 401
    response = await client.send({"command": "balance"}, **{"X-API-Key": "tk_31"})
    assert (response.status_code, response.json()["success"]) == (429, False)
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("Model: iPhone<br>Find My iPhone: <b style='color:red'>ON</b>", {"model": "iPhone", "findMyIphone": "ON"}),
        ("Simlock : Locked\r\n\r\nIMEI2: 1\nIMEI2: 2", {"simlock": "Locked", "imei2": "1; 2"}),
        ("fmiStatus: OFF", {"fmiStatus": "OFF"}),
        ("See https://x.example/1?a=b", {"result": "See https://x.example/1?a=b"}),
        ("12:30\nTom &amp; Jerry", {"result": "12:30\nTom & Jerry"}),
        ("Модель: iPhone", {"Модель": "iPhone"}),
        ("Result: clean\nno more", {"result": "clean\nno more"}),
        ("A < B: yes", {"aB": "yes"}),
        ("Carrier:", {"carrier": ""}),
        ("", {}),
    ],
)
def test_results_become_names_and_values(text: str, data: dict[str, str]) -> None:
    assert data_of(plain(text), "") == data
    assert data_of(plain(text), DEVICE)["imei"] == DEVICE


async def test_our_own_isave_connector_is_a_client_of_this_door(client: Client) -> None:
    config = {"base_url": str(client.http.base_url), "api_key": client.shop.key, "read_seconds": 60}
    connector: Any = registry.build("isave", config)
    try:
        assert await connector.balance() == Money(336_810_000, "USD")
        services = {service.remote_id: service for service in await connector.catalog()}
        assert (services["gsx"].cost, services["gsx"].takes_serial) == (400_000, True)
        request = PlaceRequest("41", "gsx", ServiceType.IMEI, DEVICE)
        placed, _ = await asyncio.gather(connector.place(request), end(client))
        assert isinstance(placed, Placed)
        [order] = await client.orders()
        assert (placed.remote_id, placed.cost, order["reference"]) == (str(order["id"]), 400_000, "41")
        assert placed.report is not None
        assert placed.report.text == RESULT
        # Not over in time: nobody knows, and nobody sends it again by itself.
        with client.in_a_hurry(), pytest.raises(Unclear):
            await connector.place(replace(request, device=imei(7)))
        refusals: dict[RefusalReason, PlaceRequest] = {
            RefusalReason.BAD_INPUT: replace(request, device="356557847079357"),
            RefusalReason.SERVICE_OFF: replace(request, remote_id="nope"),
        }
        for reason, wrong in refusals.items():
            with pytest.raises(Refused) as refused:
                await connector.place(wrong)
            assert refused.value.reason is reason
    finally:
        await connector.http.aclose()
    assert Decimal((await client.send({"command": "balance"})).text.split('"balance":')[1].split(",")[0]) == Decimal(
        "336.01"
    )
