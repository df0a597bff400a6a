"""File services at the door: the list, orders with a file in them, and results that are files."""

import asyncio
import base64
from typing import Any

import httpx2
import orjson
import pytest
from starlette.applications import Starlette

from app.api.files import FileLinks, file_routes
from app.audit.service import audit
from app.connectors.base import File
from app.db import Database
from app.money import MICRO
from app.orders.files import drop_orphans, store_file
from app.sealing import Sealer
from tests.dhru.conftest import MAX_FILE_BYTES, PUBLIC_URL, Panel, xml
from tests.factories import imei, make_customer, make_remote_service, make_route, make_service
from tests.serving import serving

FILE = b"BCL\x00\xff file of one phone"


@pytest.fixture
async def service(panel: Panel) -> int:
    """A file service at 3.00 that takes .bcl and .txt."""
    async with panel.door.db.transaction() as conn:
        made = await make_service(
            conn, name='Code from "BCL"', group="Files", type="file", price=3 * MICRO, extensions=["bcl", "txt"]
        )
        remote = await make_remote_service(conn, panel.shop.supplier_id, remote_id="file:9", type="file", cost=MICRO)
        await make_route(conn, made, remote)
    return made


async def place(panel: Panel, service: int, content: bytes = FILE, name: str = "a.bcl", **more: str) -> dict[str, Any]:
    data = base64.b64encode(content).decode()
    tags = {"ID": str(service), "FILENAME": name, "FILEDATA": data, **more}
    return await panel.call("placefileorder", parameters=xml(tags))


async def files(panel: Panel) -> list[dict[str, Any]]:
    async with panel.door.db.pool.connection() as conn:
        return await (await conn.execute("SELECT * FROM files ORDER BY id")).fetchall()


async def test_the_list_has_the_file_services_and_the_other_list_has_not(panel: Panel, service: int) -> None:
    [listed] = (await panel.call("fileservicelist"))["SUCCESS"]
    assert listed == {
        "MESSAGE": "File Service List",
        "LIST": {
            "Files": {
                "GROUPNAME": "Files",
                "SERVICES": {
                    str(service): {
                        "SERVICEID": service,
                        "SERVICENAME": "Code from \u201dBCL\u201d",
                        "CREDIT": "3.00",
                        "TIME": "",
                        "ALLOW_EXTENSION": "bcl,txt",
                        "INFO": "",
                    }
                },
            }
        },
    }
    assert "Files" not in (await panel.call("imeiservicelist"))["SUCCESS"][0]["LIST"]


async def test_an_order_keeps_its_file_and_is_charged(panel: Panel, service: int) -> None:
    reply = await place(panel, service)
    [order] = await panel.orders()
    assert reply["SUCCESS"] == [{"MESSAGE": "Order received", "REFERENCEID": order["id"]}]
    [kept] = await files(panel)
    assert (order["file_id"], order["price"], order["guarded"]) == (kept["id"], 3 * MICRO, True)
    assert (kept["name"], kept["content"]) == ("a.bcl", FILE)
    told = await panel.call("getfileorder", parameters=xml({"ID": str(order["id"])}))
    assert told["SUCCESS"][0]["STATUS"] == 0
    assert panel.wakes == [1]


@pytest.mark.parametrize("how", ["json", "base64 json", "flat"])
async def test_every_encoding_carries_a_file(panel: Panel, service: int, how: str) -> None:
    # Bytes whose base64 has plus signs and slashes, which forms damage, and line breaks, which PHP's chunk_split adds.
    content = bytes(range(256)) * 600
    data = base64.encodebytes(content).decode()
    tags = {"ID": str(service), "FILENAME": "A.BCL", "FILEDATA": data}
    text = orjson.dumps(tags)
    values = {
        "json": {"parameters": text.decode()},
        "base64 json": {"parameters": base64.b64encode(text).decode()},
        "flat": {name.lower(): value for name, value in tags.items()},
    }
    assert "SUCCESS" in await panel.call("placefileorder", **values[how])
    [kept] = await files(panel)
    assert kept["content"] == content


async def test_the_same_file_again_is_the_same_order(panel: Panel, service: int) -> None:
    replies = await asyncio.gather(*(place(panel, service, name=f"upload{n}.bcl") for n in range(4)))
    assert len({reply["SUCCESS"][0]["REFERENCEID"] for reply in replies}) == 1
    assert len(await panel.orders()) == 1
    assert len(await files(panel)) == 1, "the files of the others are gone"
    other = await place(panel, service, FILE + b"!")
    assert other["SUCCESS"][0]["REFERENCEID"] != replies[0]["SUCCESS"][0]["REFERENCEID"]
    assert await panel.balance() == 1000 * MICRO - 6 * MICRO


async def test_a_second_open_order_for_a_file_is_a_duplicate(panel: Panel, service: int) -> None:
    await place(panel, service)
    async with panel.door.db.pool.connection() as conn:
        await conn.execute("UPDATE orders SET created_at = created_at - interval '1 hour'")
    again = await place(panel, service)
    assert again["ERROR"][0]["MESSAGE"] == "ValidationError123"
    assert len(await files(panel)) == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"FILEDATA": ""}, "Parameter 'FILEDATA' Required"),
        ({"FILENAME": ""}, "Parameter 'FILENAME' Required"),
        ({"FILENAME": "a.exe"}, "ValidationError123: The file's name must end in .bcl, .txt."),
        ({"FILENAME": "bcl"}, "ValidationError123: The file's name must end in .bcl, .txt."),
        ({"FILEDATA": "@@@@"}, "ValidationError123: FILEDATA must be base64 encoded."),
        ({"FILEDATA": "Zoë"}, "ValidationError123: FILEDATA must be base64 encoded."),
        ({"FILEDATA": "===="}, f"ValidationError123: A file has 1 to {MAX_FILE_BYTES} bytes."),
        (
            {"FILEDATA": base64.b64encode(bytes(MAX_FILE_BYTES + 1)).decode()},
            f"ValidationError123: A file has 1 to {MAX_FILE_BYTES} bytes.",
        ),
        (
            {"FILEDATA": base64.b64encode(bytes(2 * MAX_FILE_BYTES)).decode()},
            f"ValidationError123: A file has 1 to {MAX_FILE_BYTES} bytes.",
        ),
        ({"ID": "99"}, "Service Not Active"),
        ({"ID": "1"}, "Service Not Active"),
    ],
)
async def test_what_is_no_order_is_refused_and_charges_and_keeps_nothing(
    panel: Panel, service: int, changed: dict[str, str], message: str
) -> None:
    tags = {"ID": str(service), "FILENAME": "a.bcl", "FILEDATA": base64.b64encode(FILE).decode(), **changed}
    reply = await panel.call("placefileorder", parameters=xml(tags))
    assert reply["ERROR"][0]["MESSAGE"] == message
    assert await panel.orders() == []
    assert await files(panel) == []
    assert await panel.balance() == 1000 * MICRO


@pytest.mark.parametrize(
    "path",
    [
        "/home/user/public_html/uploads/a.bcl",
        "../uploads/9f3a_a.bcl",
        "C:\\xampp\\tmp\\upload.txt",
        "uploads/a.bcl",
        "a.bcl",
        "/tmp/phpA1b2C3",
    ],
)
async def test_the_path_of_a_file_is_not_a_file(panel: Panel, service: int, path: str) -> None:
    reply = await place(panel, service, path.encode())
    assert reply["ERROR"][0]["MESSAGE"] == "ValidationError123: FILEDATA holds the path of a file, not what is in it."
    assert await panel.orders() == []
    assert await panel.balance() == 1000 * MICRO


@pytest.mark.parametrize("content", [b"SN: 12/34.5\nIMEI: 1", b"/9j/4AAQSkZJRgABAQ", b"357288/04", bytes([0, 1, 2])])
async def test_a_short_file_is_a_file(panel: Panel, service: int, content: bytes) -> None:
    assert "SUCCESS" in await place(panel, service, content)


async def test_without_credit_no_file_stays(panel: Panel, service: int, sealer: Sealer) -> None:
    async with panel.door.db.transaction() as conn:
        _, panel_user, key, _ = await make_customer(conn, sealer, credit=MICRO, name="Poor")
    tags = {"ID": str(service), "FILENAME": "a.bcl", "FILEDATA": base64.b64encode(FILE).decode()}
    data = {"username": panel_user, "apiaccesskey": key, "action": "placefileorder", "parameters": xml(tags)}
    reply = (await panel.http.post(panel.path, data=data)).json()
    assert reply["ERROR"][0]["MESSAGE"] == "CreditprocessError"
    assert await files(panel) == []


async def test_a_file_service_is_not_ordered_without_a_file(panel: Panel, service: int) -> None:
    reply = await panel.place(service, imei(1))
    assert reply["ERROR"][0]["MESSAGE"] == "Service Not Active"
    assert await panel.orders() == []


async def test_only_old_files_of_no_order_are_removed(panel: Panel, service: int, db: Database) -> None:
    await place(panel, service)
    async with db.transaction() as conn:
        await conn.execute("UPDATE files SET created_at = now() - interval '2 days'")
        old = await store_file(conn, File("old.bin", b"1"))
        await conn.execute("UPDATE files SET created_at = now() - interval '25 hours' WHERE id = %s", (old,))
        new = await store_file(conn, File("new.bin", b"2"))
        assert await drop_orphans(conn) == 1
    assert [row["name"] for row in await files(panel)] == ["a.bcl", "new.bin"]
    assert new == (await files(panel))[1]["id"]


async def complete_with(db: Database, order_id: int, file: File, text: str = "Here it is") -> None:
    """Complete an order with a file, as the worker does."""
    async with db.transaction() as conn:
        file_id = await store_file(conn, file)
        row = orjson.dumps([{"order": order_id, "to": "completed", "result": text, "result_file": file_id}]).decode()
        await conn.execute("SELECT move_orders(%s::json, ARRAY['accepted'], 'test')", (row,))


async def test_a_result_that_is_a_file_is_a_link(panel: Panel, db: Database, sealer: Sealer) -> None:
    order_id = int((await panel.place(panel.shop.imei_service, imei(1)))["SUCCESS"][0]["REFERENCEID"])
    content = b"\x7fELF<script>"
    await complete_with(db, order_id, File('dump/../ä "1".bin', content, "text/html"), "Line 1\nLine 2")
    [told] = (await panel.call("getimeiorder", parameters=xml({"ID": str(order_id)})))["SUCCESS"]
    text, _, link = told["CODE"].rpartition("<br>")
    assert text == "Line 1<br>Line 2"
    assert link.startswith(f"{PUBLIC_URL}/files/{order_id}/")
    assert link.isascii()
    bulk = await panel.call("getimeiorderbulk", parameters=orjson.dumps({"7": {"ID": str(order_id)}}).decode())
    assert bulk["7"]["SUCCESS"] == [told]

    path = link.removeprefix(PUBLIC_URL)
    app = Starlette(routes=file_routes(db, FileLinks(PUBLIC_URL, sealer)))
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, timeout=30) as http:
        reply = await http.get(path)
        assert (reply.status_code, reply.content) == (200, content)
        assert reply.headers["content-type"] == "text/html"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["content-disposition"].startswith("attachment; ")
        assert "filename*=UTF-8''%C3%A4%20_1_.bin" in reply.headers["content-disposition"]

        signature = path.split("/")[3]
        for wrong in (
            path.replace(signature, "0" * 64),
            path.replace(signature, signature.upper()),
            path.replace(signature, "%C3%A4"),
            path.replace(f"/{order_id}/", f"/{order_id + 1}/"),
            path.replace(f"/{order_id}/", f"/{10**30}/"),
            path.replace(f"/{order_id}/", f"/{'9' * 5000}/"),
            path.replace(f"/{order_id}/", "/x/"),
        ):
            assert (await http.get(wrong)).status_code == 404, wrong

        async with db.transaction() as conn:
            await conn.execute("UPDATE orders SET state = 'rejected', reason = 'wrong file' WHERE id = %s", (order_id,))
        assert (await http.get(path)).status_code == 404


async def test_the_books_are_right_after_all_that(panel: Panel, service: int, db: Database) -> None:
    await place(panel, service)
    await place(panel, service)
    await place(panel, service, b"other")
    assert (await audit(db)).ok


def test_a_link_lives_as_long_as_the_key_it_was_made_with() -> None:
    old, new = "an old key that is long enough to be one", "a new key that is long enough to be one"
    signature = FileLinks(PUBLIC_URL, Sealer([old])).link(7, "a.bin").split("/")[-2]
    assert FileLinks(PUBLIC_URL, Sealer([new, old])).opens(7, signature)
    assert not FileLinks(PUBLIC_URL, Sealer([new])).opens(7, signature)
    assert not FileLinks(PUBLIC_URL, Sealer([old])).opens(71, signature)
    assert signature != Sealer([old]).hash("file/7").hex(), "a signature is nobody's key"
