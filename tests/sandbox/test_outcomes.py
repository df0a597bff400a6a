"""Every magic device does what the table says, over both doors, and nothing is bought or charged."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.imei import clean_imei, clean_serial
from app.sandbox.devices import DOCTORSIM, SCENARIOS, USUAL_SECONDS
from app.sandbox.orders import close_due
from app.sandbox.tables import FIRST_ID
from tests.factories import imei, make_remote_service, make_route, make_service
from tests.sandbox.conftest import HOUR, Trial

BY_WORD = {scenario.word: scenario.imei for scenario in SCENARIOS}
PAGE = (Path(__file__).parents[2] / "docs/sandbox.md").read_text()


def body(answer: httpx2.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def state(trial: Trial, number: int) -> str:
    order = body(await trial.rest("GET", f"/orders/{number}"), 200)
    return str(order["state"])


def test_every_magic_device_can_be_one_and_only_one() -> None:
    devices = [scenario.imei for scenario in (*SCENARIOS, *DOCTORSIM)]
    assert [clean_imei(device) for device in devices] == devices
    assert [clean_serial(scenario.word) for scenario in SCENARIOS] == [scenario.word for scenario in SCENARIOS]
    assert len(set(devices)) == len(devices)


def test_the_page_has_the_table_of_the_code() -> None:
    ours = re.findall(r"^\| `(\d{15})` \| `(\w+)` \| (.+?) \|$", PAGE, re.MULTILINE)
    assert ours == [(scenario.imei, scenario.word, scenario.meaning) for scenario in SCENARIOS]
    theirs = re.findall(r"^\| `(\d{15})` \| ([^`|]+?) \|$", PAGE, re.MULTILINE)
    assert theirs == [(scenario.imei, scenario.meaning) for scenario in DOCTORSIM]


@pytest.mark.parametrize(
    ("word", "seconds", "ends"),
    [
        ("SANDBOXNOW", 0, "completed"),
        ("SANDBOXDONE", 5, "completed"),
        ("SANDBOXSLOW", 60, "completed"),
        ("SANDBOXUNCLEAR", 600, "completed"),
        ("SANDBOXREJECT", 5, "rejected"),
        ("SANDBOXREJECTNOW", 0, "rejected"),
    ],
)
async def test_an_order_ends_in_its_time(trial: Trial, word: str, seconds: int, ends: str) -> None:
    before = await trial.counts()
    clock = "SELECT clock_timestamp() + make_interval(secs => %s) AS at, max(closes_at) AS due FROM sandbox_orders"
    [asked] = await trial.rows(clock, seconds)
    order = body(await trial.place(BY_WORD[word], reference="mine"), 201)
    [answered] = await trial.rows(clock, seconds)
    assert asked["at"] <= answered["due"] <= answered["at"]
    assert order["id"] >= FIRST_ID
    assert (order["price"], order["currency"], order["reference"]) == ("2.00", "USD", "mine")
    if seconds:
        assert order["closed_at"] is None
        await trial.hold()
        assert await state(trial, order["id"]) == "in_progress"
        await trial.pass_time(HOUR + seconds)
    done = body(await trial.rest("GET", f"/orders/{order['id']}"), 200)
    assert done["state"] == ends
    text = done["result"] if ends == "completed" else done["reason"]
    assert text.startswith("SANDBOX: ")
    assert done["refunded"] == ("0.00" if ends == "completed" else "2.00")
    assert await trial.counts() == before


async def test_done_when_it_was_asked_after_often_enough(trial: Trial) -> None:
    order = body(await trial.place(BY_WORD["SANDBOXPOLLS"]), 201)
    # Placing shows the order, which is the first look.
    assert [await state(trial, order["id"]) for _ in range(2)] == ["in_progress", "completed"]


async def test_every_other_device_is_done_after_a_few_seconds(trial: Trial) -> None:
    order = body(await trial.place(imei(1)), 201)
    await trial.hold()
    assert await state(trial, order["id"]) == "in_progress"
    await trial.pass_time(HOUR + USUAL_SECONDS)
    assert await state(trial, order["id"]) == "completed"


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [
        ("SANDBOXINVALID", 422, "invalid"),
        ("SANDBOXDUPLICATE", 409, "duplicate_order"),
        ("SANDBOXNOCREDIT", 402, "no_credit"),
        ("SANDBOXUNAVAILABLE", 503, "service_unavailable"),
    ],
)
async def test_refusals_at_the_first_try_and_at_every_other(trial: Trial, word: str, status: int, code: str) -> None:
    before = await trial.counts()
    for _ in range(2):
        assert body(await trial.place(BY_WORD[word]), status)["code"] == code
    assert await trial.counts() == before


async def test_what_is_wrong_for_real_is_wrong_in_the_sandbox(trial: Trial) -> None:
    assert body(await trial.place("123456789012345"), 422)["field"] == "device"
    assert body(await trial.place(imei(1), service=999_999), 404)["code"] == "service_not_found"
    assert body(await trial.place(imei(1), callback_url="https://10.0.0.1/"), 422)["field"] == "callback_url"


@pytest.mark.parametrize(
    ("device", "kind", "ends", "says"),
    [
        ("123456789876543", "unlock", "completed", "Instructions"),
        ("123456789876543", "check", "completed", "not recognised"),
        ("355710060480006", "unlock", "rejected", "refunded"),
        ("353047098598802", "check", "completed", "BLACKLISTED"),
        ("359405085972766", "check", "completed", "CLEAN"),
        ("123456789987654", "check", "rejected", "error"),
    ],
)
async def test_the_imeis_of_doctorsims_sandbox(trial: Trial, device: str, kind: str, ends: str, says: str) -> None:
    async with trial.db.transaction() as conn:
        await conn.execute("UPDATE services SET service_class = %s", (kind,))
    order = body(await trial.place(device), 201)
    await trial.pass_time(USUAL_SECONDS)
    done = body(await trial.rest("GET", f"/orders/{order['id']}"), 200)
    assert done["state"] == ends
    assert says in (done["result"] or done["reason"])


async def test_serial_numbers_and_fields_have_their_words(trial: Trial) -> None:
    async with trial.db.transaction() as conn:
        serial = await make_service(conn, name="Serial", device="serial")
        remote = await make_remote_service(conn, trial.shop.supplier_id, remote_id="9")
        await make_route(conn, serial, remote)
    assert body(await trial.place("sandboxnow", service=serial), 201)["state"] == "completed"
    fields = {"Email": " SandboxRejectNow "}
    order = {"service": trial.shop.server_service, "fields": fields}
    assert body(await trial.rest("POST", "/orders", json=order), 201)["state"] == "rejected"


async def test_one_order_for_an_idempotency_key_and_another_for_the_live_one(trial: Trial) -> None:
    headers = {"Idempotency-Key": "my-order-1"}
    first = body(await keyed(trial, headers), 201)
    again = await keyed(trial, headers)
    assert body(again, 201)["id"] == first["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    live = body(await keyed(trial, headers, live=True), 201)
    assert live["id"] < FIRST_ID
    assert "Idempotent-Replayed" not in (await keyed(trial, {"Idempotency-Key": "other"})).headers


async def keyed(trial: Trial, headers: dict[str, str], *, live: bool = False) -> httpx2.Response:
    order = {"service": trial.shop.imei_service, "device": imei(7)}
    return await trial.rest("POST", "/orders", live=live, json=order, headers=headers)


async def test_sent_again_within_the_window_it_is_the_first_order(trial: Trial) -> None:
    first = body(await trial.place(imei(1)), 201)
    assert body(await trial.place(imei(1)), 200)["id"] == first["id"]
    await trial.pass_time(31)
    assert body(await trial.place(imei(1)), 201)["id"] != first["id"]


async def test_many_at_once_each_with_its_outcome(trial: Trial) -> None:
    devices = [BY_WORD["SANDBOXNOW"], BY_WORD["SANDBOXNOCREDIT"], "nonsense", BY_WORD["SANDBOXREJECTNOW"], imei(3)]
    rows = [{"service": trial.shop.imei_service, "device": device} for device in devices]
    items = body(await trial.rest("POST", "/orders", json={"orders": rows}), 201)["items"]
    told = [item["order"]["state"] if item["order"] else item["error"]["code"] for item in items]
    assert told == ["completed", "no_credit", "invalid", "rejected", "in_progress"]


async def test_waiting_for_the_result(trial: Trial) -> None:
    answer = await trial.rest(
        "POST",
        "/orders",
        json={"service": trial.shop.imei_service, "device": BY_WORD["SANDBOXPOLLS"]},
        headers={"Prefer": "wait=10"},
    )
    assert body(answer, 200)["state"] == "completed"
    assert answer.headers["Preference-Applied"] == "wait=10"


async def test_cancelled_listed_and_asked_after_by_many(trial: Trial) -> None:
    first, second = [body(await trial.place(imei(number)), 201)["id"] for number in (1, 2)]
    await trial.hold()
    cancelled = body(await trial.rest("POST", f"/orders/{first}/cancel"), 200)
    assert (cancelled["state"], cancelled["refunded"]) == ("rejected", "2.00")
    assert body(await trial.rest("POST", f"/orders/{first}/cancel"), 409)["code"] == "conflict"
    listed = body(await trial.rest("GET", "/orders"), 200)["items"]
    assert [order["id"] for order in listed] == [second, first]
    only = body(await trial.rest("GET", "/orders", params={"state": "rejected"}), 200)["items"]
    assert [order["id"] for order in only] == [first]
    found = body(await trial.rest("POST", "/orders/status", json={"ids": [second, first, 17]}), 200)
    assert [order["id"] for order in found["items"]] == [second, first]
    assert found["unknown"] == [17]
    assert body(await trial.rest("GET", f"/orders/{first}/file"), 404)["code"] == "not_found"


async def test_neither_key_sees_the_orders_of_the_other(trial: Trial) -> None:
    mine = body(await trial.place(imei(1)), 201)["id"]
    live = body(await trial.place(imei(1), live=True), 201)["id"]
    for number, other in ((mine, True), (live, False)):
        assert (await trial.rest("GET", f"/orders/{number}", live=other)).status_code == 404
        assert (await trial.rest("POST", f"/orders/{number}/cancel", live=other)).status_code == 404
        told = await trial.dhru("getimeiorder", f"<PARAMETERS><ID>{number}</ID></PARAMETERS>", live=other)
        assert "ERROR" in told
    [order] = body(await trial.rest("GET", "/orders", live=True), 200)["items"]
    assert order["id"] == live
    assert [row["state"] for row in await trial.rows("SELECT state FROM orders")] == ["accepted"]


async def test_the_same_over_dhru(trial: Trial) -> None:
    before = await trial.counts()

    async def place(word: str) -> dict[str, Any]:
        tags = f"<ID>{trial.shop.imei_service}</ID><IMEI>{BY_WORD[word]}</IMEI>"
        return await trial.dhru("placeimeiorder", f"<PARAMETERS>{tags}</PARAMETERS>")

    number = (await place("SANDBOXNOW"))["SUCCESS"][0]["REFERENCEID"]
    assert number >= FIRST_ID
    told = await trial.dhru("getimeiorder", f"<PARAMETERS><ID>{number}</ID></PARAMETERS>")
    [status] = told["SUCCESS"]
    assert status["STATUS"] == 4
    assert status["CODE"].startswith("SANDBOX: nothing was bought.<br>")
    rejected = (await place("SANDBOXREJECTNOW"))["SUCCESS"][0]["REFERENCEID"]
    told = await trial.dhru("getimeiorder", f"<PARAMETERS><ID>{rejected}</ID></PARAMETERS>")
    assert told["SUCCESS"][0]["STATUS"] == 3
    refusals = {
        word: (await place(word))["ERROR"][0]["MESSAGE"]
        for word in ("SANDBOXINVALID", "SANDBOXDUPLICATE", "SANDBOXNOCREDIT", "SANDBOXUNAVAILABLE")
    }
    assert refusals == {
        "SANDBOXINVALID": "ValidationError123: Invalid IMEI: the sandbox says so.",
        "SANDBOXDUPLICATE": "ValidationError123",
        "SANDBOXNOCREDIT": "CreditprocessError",
        "SANDBOXUNAVAILABLE": "Service is in maintenance, try again later",
    }

    rows = {"a": {"ID": trial.shop.imei_service, "IMEI": BY_WORD["SANDBOXNOW"]}, "b": {"ID": 999_999, "IMEI": imei(2)}}
    bulk = await trial.dhru("placeimeiorderbulk", base64.b64encode(json.dumps(rows).encode()).decode())
    assert bulk["a"]["SUCCESS"][0]["REFERENCEID"] == number
    assert "ERROR" in bulk["b"]
    asked = {"a": {"ID": number}, "b": {"ID": rejected}, "c": {"ID": 17}}
    many = await trial.dhru("getimeiorderbulk", base64.b64encode(json.dumps(asked).encode()).decode())
    assert [many[key]["SUCCESS"][0]["STATUS"] for key in "abc"] == [4, 3, 0]
    assert await trial.counts() == before


async def test_the_same_over_isaves_door(trial: Trial) -> None:
    before = await trial.counts()

    async def check(word: str) -> httpx2.Response:
        body = {"command": str(trial.shop.imei_service), "identifier": BY_WORD[word]}
        return await trial.http.post("/api/v1/check", json=body, headers={"X-API-Key": trial.key})

    done = body(await check("SANDBOXNOW"), 200)
    assert done["success"]
    assert int(done["request_id"]) >= FIRST_ID
    assert done["credits"] == 1000
    assert not body(await check("SANDBOXREJECTNOW"), 200)["success"]
    assert (await check("SANDBOXNOCREDIT")).status_code == 402
    assert await trial.counts() == before


async def test_nobody_fills_the_house_with_orders_that_cost_nothing(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sandbox.orders.MOST_A_DAY", 3)
    rows = [{"service": trial.shop.imei_service, "device": imei(number)} for number in range(1, 6)]
    rows.insert(0, {"service": trial.shop.imei_service, "device": BY_WORD["SANDBOXNOCREDIT"]})
    many = body(await trial.rest("POST", "/orders", json={"orders": rows}), 201)["items"]
    assert [row["error"] and row["error"]["code"] for row in many] == [
        "no_credit",
        *[None] * 3,
        *["service_unavailable"] * 2,
    ]
    assert body(await trial.place(imei(6)), 503)["code"] == "service_unavailable"
    await trial.pass_time(24 * 60 * 60)
    body(await trial.place(imei(6)), 201)


async def test_asking_again_and_again_writes_nothing(trial: Trial) -> None:
    number = body(await trial.place(imei(1)), 201)["id"]
    await trial.hold()
    versions = [await trial.rows("SELECT xmin::text AS version FROM sandbox_orders")]
    for _ in range(3):
        assert await state(trial, number) == "in_progress"
        versions.append(await trial.rows("SELECT xmin::text AS version FROM sandbox_orders"))
    assert versions[0] == versions[-1]


async def test_a_revoked_sandbox_key_places_nothing(trial: Trial) -> None:
    await trial.dhru("accountinfo")
    async with trial.db.transaction() as conn:
        await conn.execute("UPDATE api_keys SET revoked_at = now() WHERE sandbox")
    tags = f"<ID>{trial.shop.imei_service}</ID><IMEI>{imei(1)}</IMEI>"
    assert "ERROR" in await trial.dhru("placeimeiorder", f"<PARAMETERS>{tags}</PARAMETERS>")
    assert (await trial.place(imei(1))).status_code == 401
    assert await trial.rows("SELECT 1 FROM sandbox_orders") == []


async def test_the_worker_closes_what_nobody_asks_after(trial: Trial) -> None:
    body(await trial.place(imei(1)), 201)
    body(await trial.place(BY_WORD["SANDBOXPOLLS"]), 201)
    await trial.hold()
    async with trial.db.pool.connection() as conn:
        assert await close_due(conn) == 0
    await trial.pass_time(HOUR + USUAL_SECONDS)
    async with trial.db.pool.connection() as conn:
        assert await close_due(conn) == 1
        assert await close_due(conn) == 0
    assert sorted(row["state"] for row in await trial.rows("SELECT state FROM sandbox_orders")) == [
        "completed",
        "in_progress",
    ]
