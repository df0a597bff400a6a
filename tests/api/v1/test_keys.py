"""Who is let in, how far, and what the answers say when somebody is not."""

import pytest

from app.addresses import client_ip
from tests.api.v1.conftest import Bot, read, refused


async def test_a_key_opens_its_account_in_either_header(bot: Bot) -> None:
    expected = {
        "username": "reseller",
        "currency": "USD",
        "balance": "1000.00",
        "credit_limit": "0.00",
        "available": "1000.00",
        "sandbox": False,
    }
    by_bearer = read(await bot.get("/account"))
    assert {name: by_bearer[name] for name in expected} == expected
    headers = {"Authorization": "", "X-API-Key": bot.shop.key}
    assert read(await bot.get("/account", headers=headers)) == by_bearer


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer tk_wrong"}, {"X-API-Key": "é".encode()}])
async def test_a_stranger_is_told_how_to_come_in(bot: Bot, headers: dict[str, str | bytes]) -> None:
    answer = await bot.get("/account", headers={"Authorization": "", **headers})
    refused(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_key_without_the_scope_may_not(bot: Bot) -> None:
    key = await bot.key(scopes=["services.read"])
    problem = refused(await bot.get("/account", headers={"X-API-Key": key, "Authorization": ""}), 403, "scope_missing")
    assert "money.read" in problem["detail"]


async def test_what_is_not_there_is_a_problem_too(bot: Bot) -> None:
    for path in ("/nothing", "", "/", "/%0A"):
        refused(await bot.get(path), 404, "not_found")
    refused(await bot.get("/services/a%0Ab"), 404, "service_not_found", "service")
    refused(await bot.http.delete("/account"), 405, "method_not_allowed")


def test_an_address_has_one_spelling() -> None:
    for text, known in (
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unix:", None),
    ):
        assert client_ip({"client": (text, 1)}) == known
    assert client_ip({"client": None}) is None
