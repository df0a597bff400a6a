"""Staff teach a supplier's wording, and the next answer is read by it."""

import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.db import Database
from app.sealing import Sealer
from tests.admin.conftest import ok, refused
from tests.factories import imei, make_shop
from tests.serving import serving
from tests.worker.test_order_path import assert_sound, attempts_in, buy, closed, rows, until, working


@contextlib.asynccontextmanager
async def odd_supplier() -> AsyncIterator[str]:
    """A supplier whose finished orders have a status of their own."""

    async def answer(request: Request) -> Response:
        form = await request.form()
        if str(form["action"]).startswith("place"):
            return JSONResponse({"SUCCESS": [{"MESSAGE": "Order received", "REFERENCEID": "900"}]})
        return JSONResponse({"SUCCESS": [{"STATUS": "Entregado", "CODE": "the result"}]})

    async with serving(Starlette(routes=[Route("/api/index.php", answer, methods=["POST"])])) as url:
        yield url


async def test_kinds_show_what_they_read(owner: httpx2.AsyncClient) -> None:
    kinds = {kind["kind"]: kind for kind in (await ok(owner.get("kinds")))["items"]}
    assert kinds["dhru"]["statuses"]["4"] == "done"
    assert kinds["dhru"]["refusals"]["creditprocess"] == "no_funds"
    assert next(iter(kinds["dhru"]["refusals"])) == "invalid ip", "in the order in which they are tried"


async def test_pain_17_an_unknown_status_waits_for_staff_and_then_delivers(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer
) -> None:
    async with odd_supplier() as url:
        shop = await make_shop(db, sealer, base_url=url)
        path = f"suppliers/{shop.supplier_id}"
        assert (await ok(owner.get(path)))["wording"] == {"refusals": {}, "statuses": {}}
        async with working(db, sealer):
            await buy(db, shop, imei(1))

            async def noted() -> bool:
                return bool((await ok(owner.get("alarms")))["items"])

            await until(noted)
            [alarm] = (await ok(owner.get("alarms")))["items"]
            assert (alarm["kind"], alarm["subject"]) == ("unknown_status", f"supplier {shop.supplier_id}")
            assert "entregado" in alarm["text"]
            assert await attempts_in(db, "placed")
            wording = {"refusals": {" Saldo INSUFICIENTE ": "no_funds"}, "statuses": {"Entregado": "done"}}
            changed = await ok(owner.patch(path, json={"wording": wording}))
            assert changed["wording"] == {
                "refusals": {"saldo insuficiente": "no_funds"},
                "statuses": {"entregado": "done"},
            }
            await until(lambda: closed(db, 1))
    [order] = await rows(db, "SELECT state, result FROM orders")
    assert order == {"state": "completed", "result": "the result"}
    assert (await ok(owner.patch(path, json={"name": "Other"})))["wording"] == changed["wording"]
    assert (await ok(owner.patch(path, json={"wording": {}})))["wording"] == {"refusals": {}, "statuses": {}}
    await assert_sound(db)


@pytest.mark.parametrize(
    ("wording", "field"),
    [
        ({"refusals": {"x": "no_such"}}, "wording.refusals.x"),
        ({"statuses": {"x": "refunded"}}, "wording.statuses.x"),
        ({"statuses": {" ": "done"}}, "wording.statuses"),
        ({"refusals": {"x" * 201: "other"}}, "wording.refusals"),
        ({"refusals": {str(n): "other" for n in range(201)}}, "wording.refusals"),
        ({"other": {}}, "wording.other"),
    ],
)
async def test_what_means_nothing_is_refused(
    owner: httpx2.AsyncClient, db: Database, sealer: Sealer, wording: object, field: str
) -> None:
    shop = await make_shop(db, sealer)
    await refused(owner.patch(f"suppliers/{shop.supplier_id}", json={"wording": wording}), 422, "invalid", field)
