"""The reference and the Postman collection have every call of the document, and bodies that fit it."""

import json

import pytest

from app.api.v1.app import PREFIX, v1_document
from app.api.v1.exports import markdown, postman
from tests.api.v1.conftest import PUBLIC_URL, Bot, read

DOCUMENT = v1_document()
CALLS = [(method.upper(), path) for path, calls in DOCUMENT["paths"].items() for method in calls]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_the_reference_has_every_call(method: str, path: str) -> None:
    assert f"`{method} /api/v1{path}`" in markdown(DOCUMENT, PREFIX)


def test_the_collection_has_every_call_once() -> None:
    collection = postman(DOCUMENT, PUBLIC_URL)
    requests = [item["request"] for group in collection["item"] for item in group["item"]]
    found = sorted((one["method"], one["url"]["raw"].removeprefix("{{base_url}}")) for one in requests)
    steps = [
        (method, "/".join(f":{s[1:-1]}" if s[:1] == "{" else s for s in path.split("/"))) for method, path in CALLS
    ]
    assert found == sorted(steps)
    for one in requests:
        if "body" in one:
            json.loads(one["body"]["raw"])


async def test_the_house_serves_its_own_collection_to_everybody(bot: Bot) -> None:
    served = read(await bot.http.get("postman.json", headers={"Authorization": ""}))
    assert served["variable"][0]["value"] == f"{PUBLIC_URL}/api/v1"
    assert "tk_" not in json.dumps(served["variable"])
