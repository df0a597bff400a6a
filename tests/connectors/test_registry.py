"""A file is a kind; its config is checked, its secrets are known and never shown."""

import json
import tomllib
from pathlib import Path

import httpx2
import pytest
from pydantic import ValidationError

import app.connectors
from app.connectors import registry
from app.connectors._dhru_parameters import endpoint
from app.connectors.dhru import DhruConnector
from app.connectors.http import USER_AGENT

CONFIG = {"base_url": "https://supplier.example", "username": "u", "api_key": "kept to ourselves"}


def test_every_file_is_a_kind_and_nothing_else() -> None:
    folder = Path(app.connectors.__path__[0])
    files = {path.stem for path in folder.glob("[!_]*.py")} - {"base", "errors", "http", "registry"}
    assert set(registry.kinds()) == files
    assert registry.kinds()["dhru"] is DhruConnector


@pytest.mark.parametrize("kind", registry.kinds())
def test_every_kind_tells_its_title_schema_and_secrets(kind: str) -> None:
    connector = registry.kinds()[kind]
    assert connector.title
    assert connector.place_batch >= 1
    assert connector.check_batch >= 1
    assert all(phrase == phrase.lower() for phrase in connector.refusals), "texts are compared in lower case"
    schema = registry.schema(kind)
    assert "base_url" in schema["properties"]
    assert registry.secret_names(kind) <= schema["properties"].keys()
    for name in registry.secret_names(kind):
        assert schema["properties"][name]["format"] == "password"
    json.dumps(schema)


def test_an_unknown_kind_names_the_known() -> None:
    for call in (registry.schema, registry.secret_names):
        with pytest.raises(KeyError, match="dhru"):
            call("nonsense")
    with pytest.raises(KeyError, match="dhru"):
        registry.build("nonsense", {})


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "ftp://supplier.example"},
        {"base_url": ""},
        {"username": " "},
        {"api_key": ""},
        {"currency": "dollars"},
        {"unknown": 1},
        {"read_seconds": 0},
        {"body": "smoke signals"},
    ],
)
def test_a_bad_config_is_refused_without_quoting_it(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        registry.build("dhru", {**CONFIG, "username": "kept as well", **change})
    assert "kept" not in str(caught.value)


async def test_build_gives_the_connector_its_secrets_to_hide() -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=request.content))
    connector = registry.build("dhru", CONFIG, transport=transport)
    with connector.http.recording() as exchanges:
        await connector.http.send("POST", "http://x.test/", buys=False, form={"k": CONFIG["api_key"]})
    assert (exchanges[0].request, exchanges[0].reply) == ("k=***", "k=***")


async def test_the_time_to_read_is_the_configs() -> None:
    patient = registry.build("dhru", {**CONFIG, "read_seconds": 300})
    hasty = registry.build("dhru", {**CONFIG, "read_seconds": 5})
    assert patient.http.longest_seconds - hasty.http.longest_seconds >= 295
    await patient.http.aclose()
    await hasty.http.aclose()


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://s.example", "https://s.example/api/index.php"),
        ("https://s.example/", "https://s.example/api/index.php"),
        ("https://s.example//", "https://s.example/api/index.php"),
        ("https://s.example/shop/", "https://s.example/shop/api/index.php"),
        ("https://s.example/api", "https://s.example/api/index.php"),
        ("https://s.example/api/", "https://s.example/api/index.php"),
        ("https://s.example//api/index.php", "https://s.example/api/index.php"),
        ("https://s.example/dhru_api.php", "https://s.example/dhru_api.php"),
        ("https://s.example/public/api.php?x=1#y", "https://s.example/public/api.php"),
        ("https://s.example/api/dhru", "https://s.example/api/dhru"),
        ("https://s.example/api/dhru_bridge/", "https://s.example/api/dhru_bridge"),
        ("http://127.0.0.1:9100", "http://127.0.0.1:9100/api/index.php"),
    ],
)
def test_a_root_and_an_endpoint_are_both_taken(base_url: str, url: str) -> None:
    assert endpoint(base_url) == url


def test_we_call_ourselves_by_our_version() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert f"Trunkline/{project['version']}" == USER_AGENT
