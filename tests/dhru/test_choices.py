"""Choices from a supplier's lists: told as panels read them, and checked before anything is ordered."""

import orjson
import pytest

from app.connectors.base import Brand, Device, DeviceCatalog, Network
from app.money import MICRO
from app.suppliers.devices import store_devices
from tests.dhru.conftest import Panel, xml
from tests.factories import imei, make_remote_service, make_route, make_service, make_supplier

LISTS = DeviceCatalog(
    brands=(Brand("1", "Alcatel"), Brand("29", "iPhone")),
    devices=(Device("10", "1", "OT-255"), Device("11", "29", "iPhone 6"), Device("12", "29", "iPhone 7")),
    networks=(Network("3", "Spain", "Orange"), Network("4", "France", "Orange"), Network("5", "France", "SFR")),
    meps=(("7", "MEP-04103-001"),),
)


async def store(panel: Panel, lists: DeviceCatalog) -> None:
    async with panel.door.db.transaction() as conn:
        await store_devices(conn, panel.shop.supplier_id, lists)


@pytest.fixture
async def service(panel: Panel) -> int:
    """A service that wants a model and a network, and may be told a MEP; its supplier has no lists yet."""
    fields: list[dict[str, object]] = [
        {"name": "Mobile", "required": True},
        {"name": "Provider", "required": True},
        {"name": "MEP"},
    ]
    async with panel.door.db.transaction() as conn:
        made = await make_service(conn, name="Unlock", fields=fields)
        await make_route(conn, made, await make_remote_service(conn, panel.shop.supplier_id, remote_id="9"))
    return made


async def listed(panel: Panel, service: int) -> dict[str, object]:
    groups = (await panel.call("imeiservicelist"))["SUCCESS"][0]["LIST"]
    found: dict[str, object] = groups["Checks"]["SERVICES"][str(service)]
    return found


async def test_lists_are_keyed_by_their_own_ids(panel: Panel, service: int) -> None:
    await store(panel, LISTS)

    async def asked(action: str) -> object:
        return (await panel.call(action, parameters=xml({"ID": str(service)})))["SUCCESS"][0]["LIST"]

    assert await asked("modellist") == [
        {"ID": "1", "NAME": "Alcatel", "MODELS": {"10": {"ID": "10", "NAME": "OT-255"}}},
        {
            "ID": "29",
            "NAME": "iPhone",
            "MODELS": {"11": {"ID": "11", "NAME": "iPhone 6"}, "12": {"ID": "12", "NAME": "iPhone 7"}},
        },
    ]
    assert await asked("providerlist") == [
        {
            "ID": "1",
            "NAME": "France",
            "PROVIDERS": {"4": {"ID": "4", "NAME": "Orange"}, "5": {"ID": "5", "NAME": "SFR"}},
        },
        {"ID": "2", "NAME": "Spain", "PROVIDERS": {"3": {"ID": "3", "NAME": "Orange"}}},
    ]
    assert await asked("meplist") == [{"ID": "7", "NAME": "MEP-04103-001"}]
    details = (await panel.call("getimeiservicedetails", parameters=xml({"ID": str(service)})))["SUCCESS"][0]["LIST"]
    assert (details["assigned_model"], details["assigned_provider"], details["assigned_brand"]) == (
        "10,11,12",
        "4,5,3",
        "1,29",
    )
    assert details["reqredfield"] == {}
    other = await panel.call("modellist", parameters=xml({"ID": str(panel.shop.imei_service)}))
    assert other["SUCCESS"][0]["LIST"] == []
    assert (await panel.call("modellist"))["SUCCESS"][0]["LIST"] == []


async def test_the_list_asks_for_a_choice_only_where_there_is_one(panel: Panel, service: int) -> None:
    before = await listed(panel, service)
    assert before["Requires.Mobile"] == "None"
    assert len(before["Requires.Custom"]) == 3  # type: ignore[arg-type]
    await store(panel, LISTS)
    after = await listed(panel, service)
    assert (after["Requires.Mobile"], after["Requires.Provider"], after["Requires.MEP"]) == (
        "Required",
        "Required",
        "Optional",
    )
    assert "Requires.Custom" not in after
    assert [*after][-1] == "Requires.Reference"
    assert [key for key in after if key != "Requires.Custom"] == [key for key in before if key != "Requires.Custom"]


@pytest.mark.parametrize(
    "chosen",
    [
        {"MODELID": "11", "PROVIDERID": "5", "NETWORK": "", "MEP": "7", "PIN": ""},
        {"MODELID": " 11 ", "PROVIDERID": "5", "MEP": "7"},
        {"Mobile": "11", "Provider": "5", "Mep": "7"},
    ],
)
async def test_a_choice_goes_with_the_order(panel: Panel, service: int, chosen: dict[str, str]) -> None:
    await store(panel, LISTS)
    assert "SUCCESS" in await panel.place(service, imei(1), **chosen)
    [order] = await panel.orders()
    assert order["fields"] == {"Mobile": "11", "Provider": "5", "MEP": "7"}


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"MODELID": "99", "PROVIDERID": "5"}, "ValidationError123: MODELID is not one of the choices."),
        ({"MODELID": "11", "PROVIDERID": "11"}, "ValidationError123: PROVIDERID is not one of the choices."),
        ({"MODELID": "11", "PROVIDERID": "5", "MEP": "x"}, "ValidationError123: MEP is not one of the choices."),
        ({"MODELID": "iPhone 6", "PROVIDERID": "5"}, "ValidationError123: MODELID is not one of the choices."),
        ({"MODELID": "", "PROVIDERID": "5"}, "ValidationError123: Mobile required."),
    ],
)
async def test_what_is_not_to_be_chosen_is_refused(
    panel: Panel, service: int, chosen: dict[str, str], message: str
) -> None:
    await store(panel, LISTS)
    reply = await panel.place(service, imei(1), **chosen)
    assert reply["ERROR"][0]["MESSAGE"] == message
    assert await panel.orders() == []
    assert await panel.balance() == 1000 * MICRO


async def test_in_bulk_each_row_is_checked_for_itself(panel: Panel, service: int) -> None:
    await store(panel, LISTS)
    rows = {
        "a": {"ID": str(service), "IMEI": imei(1), "MODELID": "11", "PROVIDERID": "5"},
        "b": {"ID": str(service), "IMEI": imei(2), "MODELID": "99", "PROVIDERID": "5"},
        "c": {"ID": str(panel.shop.imei_service), "IMEI": imei(3)},
    }
    reply = await panel.call("placeimeiorderbulk", parameters=orjson.dumps(rows).decode())
    assert ["SUCCESS" in reply[key] for key in rows] == [True, False, True]


async def test_without_a_list_anything_may_be_written(panel: Panel, service: int) -> None:
    assert "SUCCESS" in await panel.place(service, imei(1), MODELID="", Mobile="iPhone 6", Provider="Orange")
    [order] = await panel.orders()
    assert order["fields"] == {"Mobile": "iPhone 6", "Provider": "Orange"}


async def test_the_first_route_decides(panel: Panel, service: int) -> None:
    await store(panel, LISTS)
    assert (await listed(panel, service))["Requires.Mobile"] == "Required"
    async with panel.door.db.transaction() as conn:
        other = await make_supplier(conn, panel.door.sealer, base_url="http://127.0.0.1:9", name="Another")
        await make_route(conn, service, await make_remote_service(conn, other, remote_id="9"), priority=1)
    assert (await listed(panel, service))["Requires.Mobile"] == "None"
