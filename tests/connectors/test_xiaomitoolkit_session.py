"""The log-in of XiaomiToolkit's REST connector, and how it finds a lost order, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from app.clock import now
from app.connectors import registry
from app.connectors.base import Connector, Placed, PlaceRequest, ServiceType
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear
from tests.fakes.faults import Fault, serving_fake
from tests.fakes.xiaomitoolkit import FakeXiaomitoolkit

IMEI = "861234567890127"
FIELDS = {"product_code": "garnet", "cpu_id": "0xA3B7C9D1E5F20018"}
ORDER = PlaceRequest("41", "cpid/standard-cpid", ServiceType.IMEI, IMEI, fields=FIELDS)


@pytest.fixture
def fake() -> FakeXiaomitoolkit:
    return FakeXiaomitoolkit()


@pytest.fixture
async def url(fake: FakeXiaomitoolkit) -> AsyncIterator[str]:
    async with serving_fake(fake) as url:
        yield url


@pytest.fixture
async def rest(fake: FakeXiaomitoolkit, url: str) -> AsyncIterator[Connector[Any]]:
    # Some of these tests send a hundred requests at once, for which a busy machine needs more than a moment.
    connector = registry.build("xiaomitoolkit", {**fake.config(url), "read_seconds": 60})
    yield connector
    await connector.http.aclose()


@pytest.fixture
async def hasty(fake: FakeXiaomitoolkit, url: str) -> AsyncIterator[Connector[Any]]:
    connector = registry.build("xiaomitoolkit", {**fake.config(url), "read_seconds": 1})
    yield connector
    await connector.http.aclose()


def _orders(count: int) -> list[PlaceRequest]:
    """Orders for different phones, all valid: the first IMEI with more and more added, and its check digit."""
    imeis = []
    for number in range(count):
        body = f"86123456{number:06d}"
        digits = [int(digit) * 2 if at % 2 else int(digit) for at, digit in enumerate(body)]
        imeis.append(f"{body}{-sum(digit // 10 + digit % 10 for digit in digits) % 10}")
    return [
        replace(ORDER, reference=str(at), device=imei, fields={**FIELDS, "cpu_id": f"C{at}"})
        for at, imei in enumerate(imeis)
    ]


async def test_many_at_once_log_in_once(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    placed = await asyncio.gather(*(rest.place(order) for order in _orders(12)))
    assert len({one.remote_id for one in placed}) == 12
    assert fake.requests == {"login": 1, "execute": 12}


async def test_a_revoked_token_is_renewed_once_for_all(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    placed = await rest.place(ORDER)
    fake.tokens.clear()
    await asyncio.gather(*(rest.check([placed.remote_id]) for _ in range(8)), rest.place(_orders(1)[0]))
    assert fake.requests["login"] == 2
    assert fake.state()["accepted"] == 2
    assert fake.state()["bought_twice"] == 0


async def test_a_log_in_elsewhere_under_the_same_name_does_no_harm(
    fake: FakeXiaomitoolkit, rest: Connector[Any], url: str
) -> None:
    await rest.balance()
    (name,) = fake.tokens.values()
    assert name.startswith("trunkline-")
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        body = {"email": fake.email, "password": fake.password, "device_name": name}
        assert (await client.post("/api/v1/auth/login", json=body)).status_code == 200
    assert len(fake.tokens) == 1
    await rest.place(ORDER)
    assert (fake.requests["execute"], fake.state()["accepted"]) == (2, 1), "the first was refused for its token"


async def test_of_two_requests_that_buy_only_the_second_can(fake: FakeXiaomitoolkit, hasty: Connector[Any]) -> None:
    """The first is answered by the token's check; if the second is lost, nothing is sent a third time."""
    fake.script(Fault("revoked", "execute"), Fault("hang", "execute"))
    with pytest.raises(Unclear):
        await hasty.place(ORDER)
    assert (fake.requests["execute"], fake.state()["accepted"]) == (2, 1)


async def test_a_token_that_is_never_taken_is_renewed_only_once(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    fake.script(Fault("revoked", "execute", times=-1), Fault("revoked", "me", times=-1))
    for call in (rest.place(ORDER), rest.balance()):
        with pytest.raises(Refused) as caught:
            await call
        assert caught.value.reason is RefusalReason.BAD_CREDENTIALS
    assert fake.requests == {"login": 3, "execute": 2, "me": 2}


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (Fault("hang", "login", seconds=30), None),
        (Fault("status", "login", status=503), NotSent),
        (Fault("reset", "login"), NotSent),
        (Fault("cut", "login"), NotSent),
        (Fault("garbage", "login"), NotSent),
        (Fault("list_empty", "login"), NotSent),
        (Fault("firewall", "login"), Refused),
        (Fault("throttled", "login"), Refused),
    ],
    ids=lambda item: item.kind if isinstance(item, Fault) else "",
)
async def test_without_a_log_in_nothing_was_ordered(
    fake: FakeXiaomitoolkit, rest: Connector[Any], fault: Fault, word: Any
) -> None:
    fake.script(replace(fault))
    if word is None:
        broken_off = asyncio.create_task(rest.place(ORDER))
        async with asyncio.timeout(30):
            while not fake.requests:  # noqa: ASYNC110  what is waited for happens behind a socket
                await asyncio.sleep(0.01)
        broken_off.cancel()
        await asyncio.gather(broken_off, return_exceptions=True)
        assert broken_off.cancelled()
    else:
        with pytest.raises(word):
            await rest.place(ORDER)
    assert fake.requests == {"login": 1}
    assert isinstance(await rest.place(ORDER), Placed), "the next order logs in anew"


async def test_a_wrong_password_is_tried_once_for_all_that_wait(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    fake.password = "changed"
    endings = await asyncio.gather(*(rest.place(order) for order in _orders(12)), return_exceptions=True)
    assert {(type(one), getattr(one, "reason", None)) for one in endings} == {(Refused, RefusalReason.BAD_CREDENTIALS)}
    assert fake.requests == {"login": 1}
    fake.account.suspended, fake.password = True, FakeXiaomitoolkit.password
    with pytest.raises(Refused, match="suspended") as caught:
        await rest.balance()
    assert caught.value.reason is RefusalReason.BLOCKED


async def test_transcripts_hold_neither_password_nor_token(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    with rest.http.recording() as exchanges:
        await rest.place(ORDER)
    assert [one.url.rsplit("/", 1)[1] for one in exchanges] == ["login", "execute"]
    (token,) = fake.tokens
    for secret in (fake.password, token):
        assert secret not in repr(exchanges)


# --- REST: what became of a lost order ----------------------------------------------------------------------------


@pytest.mark.parametrize("is_new", [True, False])
async def test_an_answer_from_the_cache_is_found_only_if_it_is_a_record(
    fake: FakeXiaomitoolkit, rest: Connector[Any], *, is_new: bool
) -> None:
    fake.account.cached_is_new = is_new
    fake.account.clock = lambda: now() - timedelta(days=40)
    await rest.place(ORDER)
    fake.account.clock = now
    fake.script(Fault("reset", "execute"))
    with pytest.raises(Unclear):
        await rest.place(ORDER)
    if is_new:
        assert await rest.find(replace(ORDER, sent_at=now())) == Placed("158")
    else:
        with pytest.raises(Unclear, match="cache"):
            await rest.find(replace(ORDER, sent_at=now() - timedelta(minutes=11)))


async def test_find_reads_all_pages_and_tells_phones_apart(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    fake.limits["execute"], fake.account.balance = 1000, Decimal(1000)
    sent_at = now()
    wanted = await rest.place(ORDER)
    await asyncio.gather(*(rest.place(order) for order in _orders(110)))
    assert await rest.find(replace(ORDER, sent_at=sent_at)) == Placed(wanted.remote_id)
    assert fake.requests["history"] == 2
    moved = replace(ORDER, sent_at=sent_at, fields={**FIELDS, "product_code": "begonia"})
    with pytest.raises(Unclear, match="may each be"):
        await rest.find(moved)


async def test_find_is_not_confused_by_the_day_on_which_it_was_sent(
    fake: FakeXiaomitoolkit, rest: Connector[Any]
) -> None:
    midnight = datetime(2026, 3, 22, tzinfo=UTC)
    fake.account.clock = lambda: midnight - timedelta(seconds=30)
    placed = await rest.place(ORDER)
    assert await rest.find(replace(ORDER, sent_at=midnight)) == Placed(placed.remote_id)


async def test_a_throttled_search_says_so(fake: FakeXiaomitoolkit, rest: Connector[Any]) -> None:
    fake.script(Fault("throttled", "history"))
    with pytest.raises(Refused):
        await rest.find(replace(ORDER, sent_at=now()))
