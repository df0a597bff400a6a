"""The description stands alone, and the page about the API tells the same."""

import re
from pathlib import Path
from typing import Any

import httpx2

from app.customers.scopes import Scope
from tests.api.v1.conftest import Bot, read

PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text()


async def description(bot: Bot) -> dict[str, Any]:
    # A program reads it before it has a key.
    return read(await bot.get("/openapi.json", headers={"Authorization": ""}))


async def test_the_description_is_of_this_api_alone(bot: Bot) -> None:
    api = await description(bot)
    assert api["openapi"].startswith("3.1")
    assert api["servers"] == [{"url": "/api/v1"}]
    assert not [path for path in api["paths"] if "admin" in path]
    assert set(api["components"]["securitySchemes"]) == {"Bearer", "X-API-Key"}


async def test_every_call_says_what_it_needs_and_how_it_fails(bot: Bot) -> None:
    api = await description(bot)
    for path, item in api["paths"].items():
        for method, call in item.items():
            assert call["summary"], path
            assert {"401", "403", "422", "429", "503"} <= set(call["responses"]), (method, path)
            if "requestBody" in call:
                assert {"400", "413"} <= set(call["responses"]), (method, path)
            # Either header, with the same scope.
            (bearer, header) = call["security"]
            assert bearer["Bearer"] == header["X-API-Key"], path
            assert len(bearer["Bearer"]) == 1, path
            assert bearer["Bearer"][0] in set(Scope), path


async def test_the_page_has_every_code_and_every_scope(bot: Bot) -> None:
    api = await description(bot)
    described = {
        code
        for item in api["paths"].values()
        for call in item.values()
        for status, answer in call["responses"].items()
        if status >= "400"
        for code in re.findall(r"`([a-z_]{6,})`", answer["description"])
    } - {"field", "order_id"}
    table = PAGE.split("## Errors")[1].split("\n## ")[0]
    told = set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))
    assert described - told == set()
    for scope in Scope:
        assert f"| `{scope}` |" in PAGE


async def test_what_the_page_shows_is_what_is_answered(bot: Bot) -> None:
    [shown] = read(await bot.get("/services", params={"limit": 1}))["items"]
    example = PAGE.split("## Services")[1].split("```json")[1].split("```")[0]
    assert list(httpx2.Response(200, content=example).json()) == list(shown)


async def test_the_description_can_be_read_as_a_page(bot: Bot) -> None:
    api = await description(bot)
    answer = await bot.get("/docs", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    for path, item in api["paths"].items():
        for method in item:
            assert f"{method.upper()} {path}</code>" in answer.text
    # Of an order, as its own examples have it.
    assert "&#34;service&#34;" in answer.text
    assert not re.findall(r"(?:src|href)=\"(?!#|/|data:,)", answer.text)
