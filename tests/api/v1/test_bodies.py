"""Bodies of every shape: JSON whatever it is called, and a problem for everything else."""

import asyncio

import pytest

from tests.api.v1.conftest import MAX_BODY_BYTES, Bot, read, refused
from tests.factories import imei


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/json", "nonsense"])
async def test_json_is_json_whatever_it_is_called(bot: Bot, kind: str) -> None:
    body = f'{{"service": {bot.shop.imei_service}, "device": "{imei(1)}"}}'.encode()
    placed = await bot.http.post("/orders", content=body, headers={"Content-Type": kind})
    assert read(placed, 201)["price"] == "2.00"


async def test_what_is_no_json_is_told_so(bot: Bot) -> None:
    for content in (b"{", b"service=1&device=2", b"[" * 100_000, b"\xff", b'{"service": NaN}', b"9" * 10_000):
        refused(await bot.http.post("/orders", content=content), 400, "invalid_json")
    for content in (b"1.5", b"[]", b'"text"', b"null", b'{"service": "a\\u0000b"}', b""):
        assert (await bot.http.post("/orders", content=content)).status_code == 422, content


@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "0e999999999", "1e99999999999999999999", "1.5e101"])
async def test_a_number_without_measure_is_not_computed(bot: Bot, number: str) -> None:
    for path, body in (("/orders", '{"service": 1, "quantity": %s}'), ("/orders/status", '{"ids": [%s]}')):
        async with asyncio.timeout(60):
            answer = await bot.http.post(path, content=(body % number).encode())
        refused(answer, 400, "invalid_json")


async def test_a_body_beyond_the_limit_is_not_read(bot: Bot) -> None:
    large = b'{"service": "' + b"x" * MAX_BODY_BYTES + b'"}'
    refused(await bot.http.post("/orders", content=large), 413, "too_large")
