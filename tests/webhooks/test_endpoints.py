"""Endpoints: checked when given, bounded in number, their secrets sealed and shown once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from app.errors import Conflict, Invalid, NotFound
from app.sealing import Sealer
from app.webhooks.destinations import Rules
from app.webhooks.endpoints import (
    MAX_ENDPOINTS,
    add_endpoint,
    callbacks_of,
    change_endpoint,
    ensure_callbacks,
    get_endpoint,
    list_endpoints,
    remove_endpoint,
    reseal_endpoints,
    rotate_secret,
)
from tests.factories import make_customer
from tests.webhooks.conftest import Told

URL = "https://shop.example/hook"


async def add(told: Told, url: str = URL, events: Sequence[str] = ("balance.low",), label: str = "") -> tuple[int, str]:
    async with told.db.transaction() as conn:
        customer = told.shop.customer_id
        new = await add_endpoint(conn, told.sealer, Rules(), customer, url=url, events=events, label=label)
    return new.endpoint.id, new.secret


async def test_a_secret_is_shown_once_and_kept_sealed(told: Told) -> None:
    number, secret = await add(told, label=" Shop ")
    assert secret.startswith("whsec_")
    async with told.db.pool.connection() as conn:
        endpoint = await get_endpoint(conn, told.shop.customer_id, number)
    assert (endpoint.url, endpoint.label, endpoint.state) == (URL, "Shop", "active")
    [row] = await told.rows("SELECT webhook_endpoints::text AS text, sealed FROM webhook_endpoints")
    assert secret.removeprefix("whsec_") not in row["text"]
    assert told.sealer.open(row["sealed"]) == secret


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "http://shop.example/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["order.made-up"]}, "events"),
        ({"events": ["test.ping"]}, "events"),
        ({"label": "x" * 101}, "label"),
        ({"label": "a\x00b"}, "label"),
        ({"label": "a\nb"}, "label"),
    ],
)
async def test_what_cannot_be_is_refused_beside_its_field(told: Told, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        await add(told, **changes)
    assert caught.value.field == field
    assert await told.rows("SELECT 1 FROM webhook_endpoints") == []


async def test_there_are_only_so_many_even_if_all_are_added_at_once(told: Told) -> None:
    ended = await asyncio.gather(*(add(told) for _ in range(MAX_ENDPOINTS + 3)), return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in ended) == 3
    assert len(await told.rows("SELECT 1 FROM webhook_endpoints")) == MAX_ENDPOINTS


async def test_nobody_sees_or_touches_another_customers_endpoint(told: Told, sealer: Sealer) -> None:
    number, _ = await add(told)
    async with told.db.transaction() as conn:
        other, *_ = await make_customer(conn, sealer, name="Other")
        assert await list_endpoints(conn, other) == []
        for act in (
            get_endpoint(conn, other, number),
            change_endpoint(conn, Rules(), other, number, state="paused"),
            rotate_secret(conn, sealer, other, number),
            remove_endpoint(conn, other, number),
        ):
            with pytest.raises(NotFound):
                await act


async def test_changes_are_checked_like_additions(told: Told) -> None:
    number, _ = await add(told)
    customer = told.shop.customer_id
    async with told.db.transaction() as conn:
        changed = await change_endpoint(
            conn, Rules(), customer, number, url="https://other.example/", events=["order.completed"], label="New"
        )
        assert (changed.url, changed.events, changed.label) == ("https://other.example/", ["order.completed"], "New")
        wrongs: list[dict[str, Any]] = [{"url": "https://10.0.0.1/"}, {"events": []}, {"state": "off"}]
        for wrong in wrongs:
            with pytest.raises(Invalid):
                await change_endpoint(conn, Rules(), customer, number, **wrong)
        with pytest.raises(Invalid):
            await rotate_secret(conn, told.sealer, customer, number, overlap=timedelta(days=31))


async def test_callbacks_have_one_secret_per_customer_which_can_be_seen_and_replaced(told: Told) -> None:
    customer = told.shop.customer_id

    async def ensure() -> None:
        async with told.db.pool.connection() as conn:
            await ensure_callbacks(conn, told.sealer, customer)

    async with told.db.pool.connection() as conn:
        with pytest.raises(NotFound):
            await callbacks_of(conn, told.sealer, customer)
    await asyncio.gather(*(ensure() for _ in range(5)))
    async with told.db.transaction() as conn:
        callbacks = await callbacks_of(conn, told.sealer, customer)
        assert [one.id for one in await list_endpoints(conn, customer)] == [callbacks.endpoint.id]
        rotated = await rotate_secret(conn, told.sealer, customer, callbacks.endpoint.id)
        assert rotated.secret != callbacks.secret
        assert (await callbacks_of(conn, told.sealer, customer)).secret == rotated.secret
        with pytest.raises(Conflict):
            await remove_endpoint(conn, customer, callbacks.endpoint.id)
        with pytest.raises(Invalid):
            await change_endpoint(conn, Rules(), customer, callbacks.endpoint.id, url=URL)


async def test_secrets_are_sealed_anew_with_a_new_key(told: Told) -> None:
    number, first = await add(told)
    async with told.db.transaction() as conn:
        second = await rotate_secret(conn, told.sealer, told.shop.customer_id, number)
    new_key, old_key = "a newer key that protects only tests", "a test key that protects nothing but tests"
    async with told.db.transaction() as conn:
        assert await reseal_endpoints(conn, Sealer([new_key, old_key])) == 1
    [row] = await told.rows("SELECT sealed, sealed_before FROM webhook_endpoints")
    only_new = Sealer([new_key])
    assert (only_new.open(row["sealed"]), only_new.open(row["sealed_before"])) == (second.secret, first)
    async with told.db.transaction() as conn:
        with pytest.raises(Conflict):
            await reseal_endpoints(conn, Sealer(["a stranger's key that protects nothing at all"]))
