"""What an order becomes, from whichever inputs; who is charged, and what is refused."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest

from app.db import Database
from app.money import MICRO
from tests.dhru.conftest import Panel, read, xml
from tests.factories import IMEIS, imei, make_customer, make_service


def packed(value: object) -> str:
    return base64.b64encode(orjson.dumps(value)).decode()


async def make_routed(panel: Panel, **columns: Any) -> int:
    """Return a new service that goes the way the shop's IMEI service goes."""
    async with panel.door.db.transaction() as conn:
        service = await make_service(conn, **columns)
        await conn.execute(
            "INSERT INTO routes (service_id, remote_service_id, priority)"
            " SELECT %s, remote_service_id, priority FROM routes WHERE service_id = %s",
            (service, panel.shop.imei_service),
        )
    return service


def escaped(values: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for name, value in values.items()
    }


FORMS: Mapping[str, Callable[[Mapping[str, str]], dict[str, str]]] = {
    "xml": lambda values: {"parameters": xml(escaped(values))},
    "xml without root": lambda values: {"parameters": xml(escaped(values))[12:-14]},
    "xml in lower case": lambda values: {
        "parameters": xml({name.lower(): text for name, text in escaped(values).items()})
    },
    "xml after an older block": lambda values: {"parameters": xml({"ID": "1", "IMEI": "1"}) + xml(escaped(values))},
    "xml escaped": lambda values: {"parameters": xml(escaped(values)).replace("<", "&lt;").replace(">", "&gt;")},
    "xml in base64": lambda values: {"parameters": base64.b64encode(xml(escaped(values)).encode()).decode()},
    "xml with CDATA": lambda values: {
        "parameters": '<?xml version="1.0"?><!-- x -->'
        + xml({name: f"<![CDATA[{value}]]>" for name, value in values.items()})
    },
    "xml in order": lambda values: {"requestxml": xml(escaped(values))},
    "base64 json": lambda values: {"parameters": packed(values)},
    "base64 json without padding": lambda values: {"parameters": packed(values).rstrip("=")},
    "base64 json for urls": lambda values: {"parameters": packed(values).replace("+", "-").replace("/", "_")},
    "base64 json with blanks": lambda values: {"parameters": packed(values).replace("+", " ")},
    "plain json": lambda values: {"parameters": orjson.dumps(values).decode()},
    "json list of one": lambda values: {"parameters": orjson.dumps([values]).decode()},
    "brackets": lambda values: {f"parameters[{name}]": value for name, value in values.items()},
    "brackets and flat": lambda values: {
        **{f"parameters[{name}]": value for name, value in values.items()},
        **values,
        **{name.lower(): value for name, value in values.items()},
    },
    "flat": lambda values: {name.lower(): value for name, value in values.items()},
    "data": lambda values: {"data": orjson.dumps(values).decode()},
}


@pytest.mark.parametrize("how", ["urlencoded", "multipart", "query", "json"])
async def test_every_encoding_places_the_same_order(panel: Panel, how: str) -> None:
    values = {"ID": str(panel.shop.server_service), "EMAIL": "Zoë+>>??~~@example.com", "QNT": "1"}
    for form, encode in FORMS.items():
        sent = {
            "username": panel.shop.username,
            "apiaccesskey": panel.shop.key,
            "action": "placeimeiorder",
            **encode(values),
        }
        match how:
            case "urlencoded":
                response = await panel.http.post(panel.path, data=sent)
            case "multipart":
                response = await panel.http.post(panel.path, files={name: (None, text) for name, text in sent.items()})
            case "query":
                response = await panel.http.get(panel.path, params=sent)
            case _:
                response = await panel.http.post(panel.path, json=sent)
        order = (await panel.orders())[-1]
        told = read(response)["SUCCESS"]
        assert told == [{"MESSAGE": "Order received", "REFERENCEID": order["id"]}], form
        assert order["service_id"] == panel.shop.server_service, form
        assert order["fields"] == {"Email": "Zoë+>>??~~@example.com"}, form
    assert len(await panel.orders()) == len(FORMS)
    assert await panel.balance() == (1000 - 5 * len(FORMS)) * MICRO
    assert panel.wakes == [1] * len(FORMS)


CUSTOM = {
    "base64": packed({"Email": "a@b.c"}),
    "json": '{"Email": "a@b.c"}',
    "object": {"Email": "a@b.c"},
    "other case": packed({"EMAIL": "a@b.c"}),
    "outer blanks": packed({" email ": "a@b.c"}),
}


async def test_custom_fields_in_every_form(panel: Panel) -> None:
    for name in ("CUSTOMFIELD", "customfield", "CustomFields", "custom", "fields", "REQUIRED"):
        for form, value in CUSTOM.items():
            row = {"ID": panel.shop.server_service, name: value, "IMEI": "", "username": "x"}
            await panel.call("placeimeiorder", parameters=packed(row))
            assert (await panel.orders())[-1]["fields"] == {"Email": "a@b.c"}, (name, form)


async def test_an_empty_set_of_custom_fields(panel: Panel) -> None:
    empties: list[object] = ["", "bnVsbA==", "null", "W10=", "e30=", "[]", "{}", None, [], {}]
    for number, empty in enumerate(empties):
        row = {"ID": panel.shop.imei_service, "IMEI": imei(number), "CUSTOMFIELD": empty}
        assert "SUCCESS" in await panel.call("placeimeiorder", parameters=packed(row)), empty


async def test_broken_custom_fields_are_refused(panel: Panel) -> None:
    for broken in (
        "%%%",
        "aGVsbG8",
        '{"a"',
        packed([1]),
        packed("x"),
        packed({"Email": {"x": 1}}),
        [1],
        {"Email": [1]},
    ):
        row = {"ID": panel.shop.server_service, "CUSTOMFIELD": broken, "Email": "a@b.c"}
        assert "ERROR" in await panel.call("placeimeiorder", parameters=packed(row)), broken
    assert await panel.orders() == []


async def test_legacy_inputs_reach_fields_of_their_name(panel: Panel) -> None:
    fields = [{"name": name} for name in ("Network", "PIN", "Player ID", "Ver.", "username")]
    service = await make_routed(panel, name="Legacy", fields=fields)
    row = {"ID": service, "IMEI": IMEIS[0], "NETWORK": "7", "pin": 123456, "Player_ID": "p 1", "Ver_": 2.5}
    await panel.call("placeimeiorder", parameters=packed(row))
    [order] = await panel.orders()
    # Our own username in the envelope is not the value of a field of that name.
    assert order["fields"] == {"Network": "7", "PIN": "123456", "Player ID": "p 1", "Ver.": "2.5"}


async def test_the_key_never_becomes_a_field(panel: Panel) -> None:
    service = await make_routed(panel, name="Keys", fields=[{"name": "key"}, {"name": "secret"}, {"name": "user"}])
    values = {"service": str(service), "imei": IMEIS[0], "key": panel.shop.key, "secret": panel.shop.key, "user": "u1"}
    await panel.call("placeimeiorder", **values)
    [order] = await panel.orders()
    assert order["fields"] == {"user": "u1"}


async def test_field_names_travel_byte_for_byte(panel: Panel) -> None:
    service = await make_routed(panel, name="Bytes", fields=[{"name": "Username ", "required": True}])
    await panel.place(service, IMEIS[0], CUSTOMFIELD=packed({"Username ": " me "}))
    [order] = await panel.orders()
    assert order["fields"] == {"Username ": " me "}


@pytest.mark.parametrize(
    ("device", "row", "kept"),
    [
        ("imei", {"IMEI": "35-655784-707935-6"}, "356557847079356"),
        ("imei", {"IMEI": 356557847079356}, "356557847079356"),
        ("imei", {"CUSTOMFIELD": {"Imei": "356557847079356"}}, "356557847079356"),
        ("serial", {"IMEI": "f2lx k0abc"}, "F2LXK0ABC"),
        ("serial", {"SN": "F2LXK0ABC"}, "F2LXK0ABC"),
        ("imei_or_serial", {"SN": "F2LXK0ABC", "IMEI": ""}, "F2LXK0ABC"),
        ("imei_or_serial", {"IMEI/SN": "356557847079356"}, "356557847079356"),
        ("none", {"IMEI": "anything"}, "anything"),
        ("none", {}, ""),
    ],
)
async def test_where_the_device_is_found(panel: Panel, device: str, row: dict[str, object], kept: str) -> None:
    service = await make_routed(panel, name="Device", device=device)
    assert "SUCCESS" in await panel.call("placeimeiorder", parameters=packed({"ID": service, **row}))
    [order] = await panel.orders()
    assert order["device"] == kept


async def test_quantities(panel: Panel) -> None:
    service = await make_routed(
        panel, name="Pieces", type="server", price=MICRO, takes_quantity=True, min_quantity=3, max_quantity=10
    )
    asked = {"": 3, "0": 3, "-4": 3, "3": 3, "05": 5, "5.0": 5, 7: 7, 8.0: 8, None: 3}
    for quantity, charged in asked.items():
        await panel.call("placeimeiorder", parameters=packed({"ID": service, "QNT": quantity}))
        order = (await panel.orders())[-1]
        assert (order["quantity"], order["price"]) == (charged, charged * MICRO), quantity


async def test_quantities_that_are_refused(panel: Panel) -> None:
    service = await make_routed(
        panel, name="Pieces", type="server", price=MICRO, takes_quantity=True, min_quantity=3, max_quantity=10
    )
    refused: list[object] = ["2", "11", "1e3", "ten", "3.5", "9" * 40, [3], {"a": 3}, 1e300]
    for quantity in refused:
        reply = await panel.call("placeimeiorder", parameters=packed({"ID": service, "QNT": quantity}))
        assert "ERROR" in reply, quantity
    assert await panel.orders() == []
    assert await panel.balance() == 1000 * MICRO


async def test_a_repeated_order_gets_the_first_reference(panel: Panel) -> None:
    first = await panel.place(panel.shop.imei_service, IMEIS[0])
    assert await panel.place(panel.shop.imei_service, IMEIS[0]) == first
    assert await panel.balance() == 998 * MICRO
    assert panel.wakes == [1]


async def test_server_orders_without_a_device_may_be_bought_twice(panel: Panel) -> None:
    for _ in range(2):
        await panel.call("placeserverorder", parameters=packed({"ID": panel.shop.server_service, "Email": "a@b.c"}))
    assert len(await panel.orders()) == 2
    assert await panel.balance() == 990 * MICRO


async def test_services_may_allow_repeats(panel: Panel) -> None:
    service = await make_routed(panel, name="Again", duplicates="allow")
    for _ in range(2):
        await panel.place(service, IMEIS[0])
    assert len(await panel.orders()) == 2


async def test_fifty_parallel_identical_orders_are_one(panel: Panel) -> None:
    replies = await asyncio.gather(*(panel.place(panel.shop.imei_service, IMEIS[0]) for _ in range(50)))
    [order] = await panel.orders()
    assert {reply["SUCCESS"][0]["REFERENCEID"] for reply in replies} == {order["id"]}
    assert await panel.balance() == 998 * MICRO


async def test_parallel_orders_never_exceed_the_credit(panel: Panel, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute(
            "SELECT ledger_adjust(id, %s, 'test', 'test', NULL) FROM accounts WHERE customer_id IS NOT NULL",
            (-979 * MICRO,),
        )
    replies = await asyncio.gather(*(panel.place(panel.shop.imei_service, imei(number)) for number in range(30)))
    placed = [reply for reply in replies if "SUCCESS" in reply]
    refused = [reply["ERROR"][0] for reply in replies if "ERROR" in reply]
    assert len(placed) == 10
    assert refused == [{"MESSAGE": "CreditprocessError", "FULL_DESCRIPTION": "Not enough credits"}] * 20
    assert len(await panel.orders()) == 10
    assert await panel.balance() == 1 * MICRO


async def test_bulk_rows_stand_for_themselves(panel: Panel) -> None:
    rows = {
        "9": {"ID": panel.shop.imei_service, "IMEI": imei(9)},
        "ü key/1": {"ID": panel.shop.imei_service, "IMEI": imei(10)},
        "twin": {"ID": panel.shop.imei_service, "IMEI": imei(9)},
        "bad": {"ID": panel.shop.imei_service, "IMEI": "9"},
        "none": {},
        "text": "x",
        "server": {"ID": str(panel.shop.server_service), "customfield": packed({"Email": "a@b.c"}), "IMEI": None},
    }
    reply = await panel.call("placeimeiorderbulk", parameters=packed(rows))
    assert list(reply) == [*rows, "SUCCESS", "apiversion"]
    assert {key for key in rows if "SUCCESS" in reply[key]} == {"9", "ü key/1", "twin", "server"}
    assert reply["twin"] == reply["9"]
    orders = await panel.orders()
    assert [order["reference"] for order in orders] == ["9", "ü key/1", "server"]
    assert await panel.balance() == (1000 - 2 - 2 - 5) * MICRO


async def test_a_bulk_in_brackets(panel: Panel) -> None:
    service = str(panel.shop.imei_service)
    reply = await panel.call(
        "placebulkorder",
        **{
            "parameters[17][ID]": service,
            "parameters[17][IMEI]": imei(1),
            "parameters[18][ID]": service,
            "parameters[18][IMEI]": imei(2),
        },
    )
    assert {key: row["status"] for key, row in reply["SUCCESS"].items()} == {"17": "success", "18": "success"}


async def test_a_new_service_can_be_ordered_at_once(panel: Panel) -> None:
    await panel.place(panel.shop.imei_service, IMEIS[0])
    service = await make_routed(panel, name="Brand new")
    assert "SUCCESS" in await panel.place(service, IMEIS[0])
    async with panel.door.db.transaction() as conn:
        await conn.execute("UPDATE services SET state = 'hidden' WHERE id = %s", (service,))
    reply = await panel.place(service, IMEIS[1])
    assert reply["ERROR"][0]["MESSAGE"] == "Service Not Active"


async def test_a_stranger_learns_nothing(panel: Panel) -> None:
    for parameters in (xml({"ID": "404"}), xml({"ID": "1", "IMEI": "bad"}), "%%%", xml({"ID": "1", "IMEI": IMEIS[0]})):
        for action in ("placeimeiorder", "placeimeiorderbulk", "getimeiorder", "getimeiservicedetails", "whatever"):
            reply = await panel.call(action, apiaccesskey="tk_stranger", parameters=parameters)
            assert reply["ERROR"][0]["MESSAGE"] == "Authentication Failed"


async def test_other_customers_orders_are_nobodys(panel: Panel, db: Database) -> None:
    reply = await panel.place(panel.shop.imei_service, IMEIS[0])
    order_id = str(reply["SUCCESS"][0]["REFERENCEID"])
    async with db.transaction() as conn:
        _, username, key, _ = await make_customer(conn, panel.door.sealer, name="Another")
    theirs = {"username": username, "apiaccesskey": key}
    reply = await panel.call("getimeiorder", **theirs, parameters=xml({"ID": order_id}))
    assert reply["ERROR"][0]["MESSAGE"] == "Order ID not found!"
    reply = await panel.call("getimeiorderbulk", **theirs, parameters=packed({"1": {"ID": order_id}}))
    assert reply["1"] == {"SUCCESS": [{"STATUS": 0, "CODE": "", "COMMENTS": ""}]}


PRICES = ("PRICE", "CREDIT", "CREDITS", "COST", "AMOUNT", "TOTAL", "CHARGE", "SERVICE_PRICE", "price", "orderprice")


async def test_pain_14_a_client_that_names_its_own_price_pays_ours(panel: Panel) -> None:
    own = dict.fromkeys(PRICES, "0.01") | {"CURRENCY": "IDR", "CUSTOMFIELD": packed(dict.fromkeys(PRICES, "0.01"))}
    for number, (form, encode) in enumerate(FORMS.items()):
        values = {"ID": str(panel.shop.imei_service), "IMEI": imei(number), **own}
        reply = await panel.call("placeimeiorder", **(own | encode(values)))
        assert "SUCCESS" in reply, (form, reply)
    row = {"ID": panel.shop.imei_service, "IMEI": imei(99), **dict.fromkeys(PRICES, 0)}
    reply = await panel.call("placeimeiorderbulk", parameters=packed({"1": row}), **own)
    assert "SUCCESS" in reply["1"], reply
    orders = await panel.orders()
    assert len(orders) == len(FORMS) + 1
    assert {(order["price"], order["currency"]) for order in orders} == {(2 * MICRO, "USD")}
    assert not any(set(PRICES) & set(order["fields"]) for order in orders)
    assert await panel.balance() == (1000 - 2 * len(orders)) * MICRO


async def test_pain_23_an_unknown_id_spoils_no_bulk_and_asked_for_alone_is_said_to_be_unknown(panel: Panel) -> None:
    placed = (await panel.place(panel.shop.imei_service, IMEIS[0]))["SUCCESS"][0]["REFERENCEID"]
    async with panel.door.db.transaction() as conn:
        await conn.execute(
            "SELECT move_orders(%s::json, ARRAY['accepted'], 'staff')",
            (orjson.dumps([{"order": placed, "to": "rejected", "reason": "no"}]).decode(),),
        )
    asked = {"mine": {"ID": placed}, "unknown": {"ID": "777"}, "nonsense": {"ID": "<x>"}}
    bulk = await panel.call("getimeiorderbulk", parameters=packed(asked))
    # GSM EYE's clients lose the whole batch to one row that is an ERROR, at every poll; so that none is.
    assert "ERROR" not in bulk
    assert all("ERROR" not in bulk[name] for name in asked)
    assert bulk["mine"]["SUCCESS"][0]["STATUS"] == 3
    for name in ("unknown", "nonsense"):
        assert bulk[name] == {"SUCCESS": [{"STATUS": 0, "CODE": "", "COMMENTS": ""}]}, "never delivered, never refunded"
        alone = await panel.call("getimeiorder", parameters=xml({"ID": "777"}))
        assert alone["ERROR"][0]["MESSAGE"] == "Order ID not found!"
        assert "SUCCESS" not in alone
