"""What waits for a person, in the browser: unclear orders resolved, tasks by hand, many orders at once."""

import html
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx2
import pytest
from psycopg import AsyncConnection

from app.db import Database
from app.orders.states import AttemptState, OrderState
from app.sealing import Sealer
from tests.admin.test_orders import order, send, unclear
from tests.factories import IMEIS, Shop, imei, make_remote_service, make_route, make_shop, make_supplier
from tests.pages.conftest import Surfer, SurferOf
from tests.pages.test_orders import IN_PROCESS, one, run, sound


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A shop with credit of 1000."""
    return await make_shop(db, sealer)


async def in_doubt(db: Database, shop: Shop, count: int) -> list[tuple[int, int]]:
    """Place orders that end in doubt; return order and attempt of each."""
    made = []
    for number in range(count):
        [order_id] = await order(db, shop, [imei(number)])
        made.append((order_id, await unclear(db, shop)))
    return made


async def states(db: Database) -> dict[int, str]:
    """The state of every order by its id."""
    async with db.pool.connection() as conn:
        rows = await (await conn.execute("SELECT id, state FROM orders")).fetchall()
    return {row["id"]: row["state"] for row in rows}


async def test_unclear_orders_are_resolved_one_after_the_other(surfer: SurferOf, db: Database, shop: Shop) -> None:
    operator, reader = await surfer("operator"), await surfer("read_only")
    assert "Nothing is unclear" in (await reader.get("/admin/unclear")).text
    (first, one_), (second, two), (third, three) = await in_doubt(db, shop, 3)
    await run(db, "UPDATE attempts SET note = '<i>their-secret-key' WHERE id = %s", one_)
    queue = (await reader.get(f"/admin/unclear?supplier={shop.supplier_id}")).text
    assert re.findall(r'href="/admin/unclear/(\d+)"', queue) == [str(one_), str(two), str(three)]
    assert '<td class="break-anywhere">***</td>' in queue  # without the tag, and without the secret
    assert "their-secret-key" not in queue
    page = (await operator.get(f"/admin/unclear/{one_}")).text
    for there in (imei(0), "key=***", "{&#34;ID&#34;: 5}", "read time-out", "2.00 USD go back", "says nothing"):
        assert there in page, there
    assert "It is there" not in (await reader.get(f"/admin/unclear/{one_}")).text
    denied = await reader.send("/admin/account", f"/admin/unclear/{one_}", answer="not_found")
    assert denied.status_code == 403

    path = f"/admin/unclear/{one_}"
    for fields, status, sentence in (
        ({"answer": "found", "remote_id": " "}, 422, "order id is needed"),
        ({"answer": "found", "remote_id": "x" * 201}, 422, "at most 200"),
        ({"answer": "not_found", "remote_id": "S1"}, 422, "has no id"),
        ({"answer": "perhaps"}, 422, "Say whether"),
        ({}, 422, "Say whether"),
    ):
        response = await operator.send(path, **fields)
        assert (response.status_code, sentence in response.text) == (status, True), fields
    assert set((await states(db)).values()) == {"in_progress"}

    resolved = await operator.send(path, answer="found", remote_id=" S1 ")
    assert resolved.headers["location"] == f"/admin/unclear/{two}"
    assert "Resolved: it is there. It goes on." in (await operator.get(resolved.headers["location"])).text
    taken = await operator.send(f"/admin/unclear/{two}", answer="found", remote_id="S1")
    assert taken.status_code == 409
    assert "another order" in taken.text
    absent = await operator.send(f"/admin/unclear/{two}", answer="not_found")
    assert absent.headers["location"] == f"/admin/unclear/{three}"
    twice = await operator.send("/admin/account", f"/admin/unclear/{two}", answer="not_found")
    assert twice.status_code == 409
    assert "The truth is known" in (await operator.get(f"/admin/unclear/{two}")).text
    last = await operator.send(f"/admin/unclear/{three}", answer="not_found")
    assert last.headers["location"] == "/admin/unclear"
    assert await states(db) == {first: "in_progress", second: "rejected", third: "rejected"}
    for missing in ("/admin/unclear/999", "/admin/unclear/99999999999999999999"):
        assert (await operator.get(missing)).status_code == 404
    await sound(db)


async def test_an_unclear_order_is_looked_for_at_once(surfer: SurferOf, db: Database, shop: Shop) -> None:
    operator = await surfer("operator")
    [(_, attempt)] = await in_doubt(db, shop, 1)
    await run(db, "UPDATE attempts SET due_at = now() + interval '1 hour'")
    path = f"/admin/unclear/{attempt}"
    assert (await operator.send(path, f"{path}/look")).headers["location"] == path
    assert (await one(db, "SELECT due_at <= clock_timestamp() AS due FROM attempts"))["due"] is True
    await operator.send(path, answer="not_found")
    assert (await operator.send("/admin/account", f"{path}/look")).status_code == 409


async def test_what_waits_for_a_person_is_counted_and_listed_by_reason(
    surfer: SurferOf, db: Database, shop: Shop
) -> None:
    reader = await surfer("read_only")
    assert "Nothing waits" in (await reader.get("/admin/waiting")).text
    [(doubtful, attempt)] = await in_doubt(db, shop, 1)
    ids = await order(db, shop, [imei(number) for number in range(10, 70)])
    await run(db, "UPDATE orders SET late_at = now() - interval '1 hour' WHERE id = ANY (%s)", ids)
    await run(db, "UPDATE attempts SET sent_at = now() - interval '2 hours' WHERE id = %s", attempt)
    first = (await reader.get("/admin/waiting")).text
    assert "late: 60" in first
    assert "unclear: 1" in first
    assert f'href="/admin/unclear/{attempt}"' in first
    more = re.search(r'href="([^"]+)" rel="next"', first)
    assert more
    rest = (await reader.get(html.unescape(more[1]))).text
    seen = [int(number) for page in (first, rest) for number in re.findall(r'<td><a href="/admin/orders/(\d+)"', page)]
    assert sorted(seen) == sorted([doubtful, *ids])
    narrowed = (await reader.get(f"/admin/waiting?why=unclear&supplier={shop.supplier_id}")).text
    assert re.findall(r'<td><a href="/admin/orders/(\d+)"', narrowed) == [str(doubtful)]
    for query in ("?why=bored", "?after=x"):
        assert (await reader.get(f"/admin/waiting{query}")).status_code == 422


async def by_hand(db: Database, sealer: Sealer, shop: Shop, count: int) -> list[int]:
    """Place orders with a person as the supplier; return their attempts."""
    async with db.transaction() as conn:
        await conn.execute("UPDATE suppliers SET kind = 'manual' WHERE id = %s", (shop.supplier_id,))
    attempts = []
    for number in range(count):
        await order(db, shop, [imei(number)])
        attempts.append(await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id=f"T{number}"))
    await run(db, """UPDATE orders SET fields = '{"Password": "hunter2", "Note": "<b>now"}'""")
    return attempts


async def test_tasks_by_hand_are_done_one_after_the_other(
    surfer: SurferOf, db: Database, sealer: Sealer, shop: Shop
) -> None:
    operator, reader = await surfer("operator"), await surfer("read_only")
    assert "Nothing waits for a person" in (await reader.get("/admin/by-hand")).text
    first, second, third = await by_hand(db, sealer, shop, 3)
    queue = (await operator.get("/admin/by-hand")).text
    assert re.findall(r'href="/admin/by-hand/(\d+)"', queue) == [str(first), str(first), str(second), str(third)]
    path = f"/admin/by-hand/{first}"
    page = (await operator.get(path)).text
    assert "hunter2" in page  # it is what the person needs
    assert "&lt;b&gt;now" in page
    seen = (await reader.get(path)).text
    assert "hunter2" not in seen
    assert "Deliver" not in seen
    assert (await reader.send("/admin/account", path, act="finish", result="x")).status_code == 403
    for fields, field in (
        ({"act": "finish", "result": " \n"}, "result"),
        ({"act": "finish", "result": "x" * 100_001}, "result"),
        ({"act": "give_up", "reject": " "}, "reject"),
        ({"act": "give_up", "reject": "x" * 1001}, "reject"),
    ):
        refused = await operator.send(path, **fields)
        assert refused.status_code == 422, field
        assert f'id="wrong-{field}"' in refused.text, field
    done = await operator.send(path, act="finish", result="NCK: <1>")
    assert done.headers["location"] == f"/admin/by-hand/{second}"
    twice = await operator.send("/admin/account", path, act="finish", result="NCK: 2")
    assert twice.status_code in {404, 409}
    gave_up = await operator.send(f"/admin/by-hand/{second}", act="give_up", reject="Not for this model")
    assert gave_up.headers["location"] == f"/admin/by-hand/{third}"
    assert "the money back" in (await operator.get(gave_up.headers["location"])).text
    assert list((await states(db)).values()).count("completed") == 1
    assert (await operator.get(path)).status_code == 404
    await sound(db)


async def several(surfer: Surfer, page: str, **fields: Any) -> str:
    """Send a form with values that come several times; return the page it leads to."""
    found = re.search(r'name="csrf" value="([^"]+)"', (await surfer.get("/admin/orders")).text)
    assert found
    response = await surfer.http.post(page, data={"csrf": found[1], **fields})
    assert response.status_code == 200, response.text
    return response.text


async def test_many_orders_are_previewed_and_then_cancelled_each_for_itself(
    surfer: SurferOf, db: Database, shop: Shop
) -> None:
    operator, reader = await surfer("operator"), await surfer("read_only")
    [placed] = await order(db, shop, IMEIS[:1])
    await send(db, shop, AttemptState.PLACED, **IN_PROCESS, remote_id="S1", due=3600)
    free, other = await order(db, shop, IMEIS[1:3])
    ticked = [str(placed), str(free)]
    shown = await several(operator, "/admin/orders/several", order=ticked, act="cancel")
    for there in (
        "Cancel: 2 of 2 orders",
        "Nothing was done yet",
        "2.00 USD go back to customers",
        "only on their word",
    ):
        assert there in shown, there
    assert set((await states(db)).values()) == {"in_progress", "accepted"}
    all_shown = await several(
        operator,
        "/admin/orders/several",
        matching="yes",
        filters=f"customer={shop.username}&state=accepted",
        act="cancel",
    )
    assert re.findall(r'name="order" value="(\d+)"', all_shown) == [str(other), str(free)]
    for _ in range(2):
        done = await several(operator, "/admin/orders/several/do", order=ticked, act="cancel")
    assert "the supplier is asked" in done
    assert "over already" in done  # the second time
    assert await states(db) == {placed: "in_progress", free: "rejected", other: "accepted"}
    asked = await several(operator, "/admin/orders/several/do", order=[*ticked, "999999"], act="look")
    assert "a worker asks within seconds" in asked
    assert "nothing was done" in asked
    for fields, sentence in (
        ({"act": "cancel"}, "Tick the orders first"),
        ({"act": "explode", "order": ticked}, "Choose what to do"),
        ({"act": "cancel", "order": [str(number) for number in range(1, 102)]}, "At most 100"),
        ({"act": "cancel", "matching": "yes", "filters": "state=bored"}, "The state is one of"),
    ):
        found = re.search(r'name="csrf" value="([^"]+)"', (await operator.get("/admin/orders")).text)
        assert found
        for page in ("/admin/orders/several", "/admin/orders/several/do"):
            if "matching" in fields and page.endswith("do"):
                continue
            refused = await operator.http.post(page, data={"csrf": found[1], **fields})
            assert (refused.status_code, sentence in refused.text) == (422, True), (page, sentence)
    for page in ("/admin/orders/several", "/admin/orders/several/do"):
        assert (await reader.send("/admin/account", page, act="cancel", order=str(other))).status_code == 403
    await sound(db)


async def test_many_orders_are_sent_again_each_over_its_way_at_the_cost_that_was_shown(
    surfer: SurferOf, db: Database, sealer: Sealer, shop: Shop
) -> None:
    operator = await surfer("operator")
    (first, _), (second, _) = await in_doubt(db, shop, 2)
    async with db.transaction() as conn:
        other = await make_supplier(conn, sealer, name="Second source")
        remote = await make_remote_service(conn, other, cost=1_500_000)
        route = await make_route(conn, shop.imei_service, remote, priority=900)
    ids = [str(first), str(second)]
    shown = await several(operator, "/admin/orders/several", order=ids, act="again")
    assert shown.count(f'value="{route}:1.50"') == 2
    assert shown.count("it may be paid twice") == 2
    fields = {f"newest-{number}": "1" for number in ids} | {f"way-{first}": f"{route}:1.50", f"way-{second}": ""}
    for _ in range(2):
        done = await several(operator, "/admin/orders/several/do", order=ids, act="again", reason="too long", **fields)
    assert "sent again meanwhile" in done  # the second time
    assert "left as it is" in done
    # What was completed is bought once more only if somebody ticks it.
    [completed] = await order(db, shop, [imei(90)])
    await send(db, shop, AttemptState.DONE, order_to=OrderState.COMPLETED, remote_id="5", text="x", result="x")
    again = await several(operator, "/admin/orders/several", order=[str(completed), str(second)], act="again")
    assert "it is bought once more, at our cost" in again
    assert re.findall(r'name="order" value="(\d+)"[^>]* checked', again) == [str(second)]
    odd = {f"way-{first}": "x:1", f"way-{second}": f"{route}:cheap"}
    refused = await several(
        operator, "/admin/orders/several/do", order=ids, act="again", reason="x", **{**fields, **odd}
    )
    assert "no such route" in refused
    assert "may cost was not said" in refused
    made = await one(db, "SELECT array_agg(state ORDER BY id) AS states FROM attempts")
    assert made["states"] == ["abandoned", "unclear", "prepared", "done"]
    await sound(db)


async def test_many_unclear_orders_are_resolved_the_same_way_or_under_their_ids(
    surfer: SurferOf, db: Database, shop: Shop
) -> None:
    operator = await surfer("operator")
    made = await in_doubt(db, shop, 3)
    [other] = await order(db, shop, [imei(50)])
    ids = [str(order_id) for order_id, _ in made]
    shown = await several(operator, "/admin/orders/several", order=[*ids, str(other)], act="resolve")
    assert "Resolve unclear: 3 of 4 orders" in shown
    assert shown.count("The order is rejected and refunded") == 3
    assert "is not unclear" in shown
    attempts = {f"attempt-{order_id}": str(attempt) for order_id, attempt in made}
    kept = await several(operator, "/admin/orders/several/do", order=ids, act="resolve", rest="", **attempts)
    assert kept.count("left as it is") == 3
    wrong = await several(
        operator, "/admin/orders/several/do", order=ids[:1], act="resolve", rest="not_found",
        **{f"attempt-{ids[0]}": str(made[1][1])},
    )  # fmt: skip
    assert "not an attempt of this order" in wrong
    assert set((await states(db)).values()) == {"in_progress", "accepted"}
    named = {f"remote-{ids[0]}": "S1"}
    for _ in range(2):
        done = await several(
            operator, "/admin/orders/several/do", order=ids, act="resolve", rest="not_found", **attempts, **named
        )
    assert done.count("Only an unclear attempt can be resolved") == 3  # the second time
    assert [(await states(db))[int(number)] for number in ids] == ["in_progress", "rejected", "rejected"]
    await sound(db)


async def test_lists_ask_as_much_of_the_database_for_many_as_for_few(
    surfer: SurferOf, db: Database, sealer: Sealer, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for often in ("app.alarms.watch.WATCH_SECONDS", "app.house.service.EVERY_SECONDS"):
        monkeypatch.setattr(often, 3600)  # on a slow machine all of three calls would have something beside them
    asked: list[str] = []
    plain = AsyncConnection.execute

    async def counted(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(str(query))
        return await plain(self, query, *args, **kwargs)

    reader, operator = await surfer("read_only"), await surfer("operator")
    await in_doubt(db, shop, 2)
    monkeypatch.setattr(AsyncConnection, "execute", counted)

    async def least(call: Callable[[], Awaitable[httpx2.Response]]) -> int:
        # The least of three, because the server does things of its own beside.
        counts = []
        for _ in range(3):
            asked.clear()
            assert (await call()).status_code == 200
            counts.append(len(asked))
        return min(counts)

    async def statements() -> list[int]:
        found = re.search(r'name="csrf" value="([^"]+)"', (await operator.get("/admin/orders")).text)
        assert found
        sent = {"csrf": found[1], "matching": "yes", "filters": ""}
        lists = ("/admin/orders", "/admin/unclear", "/admin/waiting", "/admin/by-hand")
        acts = ("look", "cancel", "again", "resolve")
        return [await least(partial(reader.get, path)) for path in lists] + [
            await least(partial(operator.http.post, "/admin/orders/several", data={**sent, "act": act})) for act in acts
        ]

    few = await statements()
    for number in range(2, 12):
        await order(db, shop, [imei(number)])
        await unclear(db, shop)
    assert await statements() == few
    assert max(few) < 15
