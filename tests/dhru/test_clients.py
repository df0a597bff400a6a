"""The clients in use, reading what the door says."""

import base64

import orjson
import pytest

from app.db import Database
from app.money import MICRO
from tests.dhru import clients
from tests.dhru.conftest import Panel, xml
from tests.factories import IMEIS, imei, make_remote_service, make_route, make_service


@pytest.fixture
async def catalogue(panel: Panel, db: Database) -> set[str]:
    """A catalogue with everything that ever broke an import; returns the ids of all services."""
    async with db.transaction() as conn:
        ids = [
            await make_service(
                conn, name='Samsung "S24" — ünlock 🔓', group="A & B <C>", price=MICRO // 8, info="<b>x</b>"
            ),
            await make_service(conn, name="Free", group="Mixed", price=0),
            await make_service(conn, name="Remote job", group="Mixed", type="remote"),
            await make_service(conn, name="By serial", group="Mixed", device="serial", time=" 1-60 Minutes"),
            await make_service(
                conn,
                name="Credits",
                group="Mixed",
                type="server",
                takes_quantity=True,
                min_quantity=5,
                max_quantity=500,
                fields=[
                    {"name": "Username ", "required": True},
                    {"name": "Plan", "type": "dropdown", "options": ["a", "b"]},
                ],
            ),
            await make_service(
                conn, name="Server for a device", group="Devices", type="server", device="imei_or_serial"
            ),
        ]
        await make_service(conn, name="A file", group="Files", type="file")
        await make_service(conn, name="In euros", group="Elsewhere", currency="EUR")
        await make_service(conn, name="Hidden", group="Elsewhere", state="hidden")
    return {str(number) for number in (panel.shop.imei_service, panel.shop.server_service, *ids)}


async def test_every_panel_lists_every_service_once(panel: Panel, catalogue: set[str]) -> None:
    reply = await panel.call("imeiservicelist")
    for read in (clients.fusion50_list, clients.exclusiveunlock_list, clients.stockunlocks_list):
        imported = read(reply)
        assert sorted(service.id for service in imported) == sorted(catalogue), read.__name__
        assert all(service.group and service.name for service in imported)
    assert sorted(clients.nexus_list(reply)) == sorted(catalogue)
    assert sorted(clients.legacy_list(reply)) == sorted(catalogue)
    assert clients.samtool_kind(reply) == ""


async def test_names_survive_the_import(panel: Panel, catalogue: set[str]) -> None:
    reply = await panel.call("imeiservicelist")
    names = {service.name for service in clients.exclusiveunlock_list(reply)}
    assert "Samsung ”S24” — ünlock 🔓" in names
    assert {service.credit for service in clients.fusion50_list(reply) if service.name == "Free"} == {"0.00"}
    assert "0.125" in {service.credit for service in clients.fusion50_list(reply)}


async def test_a_mixed_group_is_shown_as_one_per_type(panel: Panel, catalogue: set[str]) -> None:
    groups = (await panel.call("imeiservicelist"))["SUCCESS"][0]["LIST"]
    assert {name: group["GROUPTYPE"] for name, group in groups.items() if name.startswith("Mixed")} == {
        "Mixed": "IMEI",
        "Mixed (SERVER)": "SERVER",
        "Mixed (REMOTE)": "REMOTE",
    }
    assert all(name == group["GROUPNAME"] for name, group in groups.items())


async def test_inputs_are_listed_as_panels_keep_them(panel: Panel, catalogue: set[str]) -> None:
    reply = await panel.call("imeiservicelist")
    by_name = {
        service["SERVICENAME"]: service
        for group in reply["SUCCESS"][0]["LIST"].values()
        for service in group["SERVICES"].values()
    }
    plain = by_name["Free"]
    assert "CUSTOM" not in plain
    assert "Requires.Custom" not in plain
    assert list(plain)[-1] == "Requires.Reference"
    assert by_name["By serial"]["CUSTOM"]["customname"] == "Serial Number"
    assert by_name["By serial"]["CUSTOM"]["allow"] == "1"
    bought = by_name["Credits"]
    assert (bought["QNT"], bought["MINQNT"], bought["MAXQNT"]) == ("1", "5", "500")
    assert (plain["QNT"], plain["MINQNT"], plain["MAXQNT"]) == ("0", "0", "0")
    fields = clients.samtool_fields(reply)[str(bought["SERVICEID"])]
    assert [(field["fieldname"], field["fieldtype"], field["required"], field["fieldoptions"]) for field in fields] == [
        ("Username ", "text", "on", ""),
        ("Plan", "dropdown", "", "a,b"),
    ]
    [device] = by_name["Server for a device"]["Requires.Custom"]
    assert (device["fieldname"], device["required"]) == ("IMEI/SN", "on")


async def test_the_account_satisfies_all(panel: Panel) -> None:
    reply = await panel.call("accountinfo")
    assert clients.stockunlocks_account(reply) == {
        "message": "Your Accout Info",
        "credit": "1000.00",
        "mail": "reseller@example.com",
        "currency": "USD",
    }
    assert clients.gsmeye_account(reply) == reply["SUCCESS"][0]["AccoutInfo"]
    assert clients.samtool_kind(reply) == ""
    assert list(reply) == ["SUCCESS", "apiversion"]


async def test_credit_includes_the_credit_limit(panel: Panel, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute("UPDATE accounts SET credit_limit = %s WHERE customer_id IS NOT NULL", (50 * MICRO,))
    account = clients.gsmeye_account(await panel.call("accountinfo"))
    assert account["credit"] == "1050.00"


async def test_one_bulk_reply_serves_both_dialects(panel: Panel) -> None:
    rows = {
        "A-1": {"ID": panel.shop.imei_service, "IMEI": IMEIS[0]},
        "A-2": {"ID": panel.shop.imei_service, "IMEI": "1"},
    }
    reply = await panel.call("placeimeiorderbulk", parameters=base64.b64encode(orjson.dumps(rows)).decode())
    [order] = await panel.orders()
    assert clients.fusion50_bulk(reply)["A-1"] == str(order["id"])
    assert "Invalid IMEI" in clients.fusion50_bulk(reply)["A-2"]
    theme = clients.gsmeye_place_bulk(reply)
    assert (theme["A-1"]["status"], theme["A-1"]["referenceid"]) == ("success", order["id"])
    assert theme["A-2"]["status"] == "error"


async def _place_in_state(panel: Panel, number: int, state: str, text: str = "") -> int:
    reply = await panel.place(panel.shop.imei_service, imei(number))
    order_id = int(reply["SUCCESS"][0]["REFERENCEID"])
    if state != "accepted":
        move = {"order": order_id, "to": state, "result": text or None, "reason": text or None}
        async with panel.door.db.transaction() as conn:
            await conn.execute(
                "SELECT move_orders(%s::json, ARRAY['accepted', 'in_progress'], 'test')",
                (orjson.dumps([move]).decode(),),
            )
    return order_id


@pytest.mark.parametrize(
    ("state", "text", "means", "code"),
    [
        ("accepted", "", "waiting", ""),
        ("in_progress", "", "waiting", ""),
        ("completed", "Model: iPhone\nFind My: OFF", "delivered", "Model: iPhone<br>Find My: OFF"),
        ("completed", "<b>A</b><br>\nB", "delivered", "<b>A</b><br>\nB"),
        ("completed", " ", "delivered", "Completed"),
        ("rejected", "Not found", "refunded", "Not found"),
        ("rejected", "\n", "refunded", "Rejected"),
    ],
)
async def test_every_client_reads_the_state(panel: Panel, state: str, text: str, means: str, code: str) -> None:
    order_id = await _place_in_state(panel, 1, state, text)
    reply = await panel.call("getimeiorder", parameters=xml({"ID": str(order_id)}))
    assert clients.panel_status(reply) == (means, code)
    assert clients.sup_status(reply) == means
    assert clients.ceir_text(reply) == code
    assert clients.clo_order(reply)[0] == imei(1)
    assert reply["ID"] == str(order_id)
    bulk = await panel.call(
        "getimeiorderbulk", parameters=orjson.dumps({"x": {"ID": order_id}, "y": {"ID": "0"}}).decode()
    )
    assert clients.gsmeye_orders(bulk) == {"x": (means != "waiting", code), "y": (False, "")}
    assert clients.clo_order(bulk["x"])[2] == code


async def test_what_errors_make_clients_do(panel: Panel, db: Database) -> None:
    service = panel.shop.imei_service
    assert clients.mix_action(await panel.place(service, IMEIS[0])) == "placed"
    assert clients.mix_action(await panel.place(service, "1234")) == "reject"
    assert clients.mix_action(await panel.place(4040, IMEIS[1])) == "reject"
    assert clients.mix_action(await panel.call("nonsense")) == "other action"
    reply = await panel.call("accountinfo", apiaccesskey="wrong")
    assert clients.mix_action(reply) == "other dialect"
    async with db.transaction() as conn:
        unrouted = await make_service(conn, name="Unrouted")
        dear = await make_service(conn, name="Dear", price=5000 * MICRO)
        remote = await make_remote_service(conn, panel.shop.supplier_id, remote_id="9")
        await make_route(conn, dear, remote)
    assert clients.mix_action(await panel.place(unrouted, IMEIS[1])) == "later"
    assert clients.mix_action(await panel.place(dear, IMEIS[1])) == "park"
