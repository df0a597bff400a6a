"""Every recording of every connector kind is what that connector really sends and makes of the reply."""

import json
import re
from typing import Any

import pytest

from app.connectors import registry
from tests.connectors.harness import FOLDER, MASK, has_wire, load, replay

CASES = [(kind, entry) for kind in registry.kinds() for entry in load(kind)]

_LOOKS_SECRET = re.compile(r"\b(?:[A-Z0-9]{3}-){4,}[A-Z0-9]{3}\b|\bBearer \S|\b[0-9a-fA-F]{32,}\b")


@pytest.mark.parametrize(
    ("kind", "entry"), CASES, ids=[f"{kind}-{entry['call']}-{entry['name']}" for kind, entry in CASES]
)
async def test_recording(kind: str, entry: dict[str, Any]) -> None:
    outcome = await replay(kind, entry)
    assert outcome == {key: entry[key] for key in ("request", "exchanges", "returns", "raises") if key in entry}


@pytest.mark.parametrize("kind", registry.kinds())
def test_every_kind_has_recordings_of_every_call_it_must_have(kind: str) -> None:
    assert {entry["call"] for entry in load(kind)} >= {"balance", "catalog", "place", "check"}


@pytest.mark.parametrize("kind", registry.kinds())
def test_a_kind_sends_something_unless_it_says_that_it_has_no_wire(kind: str) -> None:
    sent = [entry["name"] for entry in load(kind) if entry.get("request") or "exchanges" in entry]
    assert bool(sent) == has_wire(kind), sent


def test_every_file_belongs_to_a_kind() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(registry.kinds())


@pytest.mark.parametrize("kind", registry.kinds())
def test_names_tell_recordings_apart(kind: str) -> None:
    names = [(entry["call"], entry["name"]) for entry in load(kind)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", registry.kinds())
def test_no_recording_holds_a_secret(kind: str) -> None:
    text = (FOLDER / f"{kind}.json").read_text(encoding="utf-8")
    assert not _LOOKS_SECRET.search(text)
    secrets = registry.secret_names(kind)
    for entry in load(kind):
        assert not secrets & entry["config"].keys(), "the harness fills secrets in"
    # Whatever carries a secret on the wire is masked wherever it is written down.
    carriers = {"apiaccesskey", "key", "api_key", "x-api-key", "authorization", "token"}
    for name, value in _pairs(json.loads(text)):
        if name.lower() in carriers:
            assert value == MASK


def _pairs(node: Any) -> list[tuple[str, Any]]:
    if isinstance(node, dict):
        return [*node.items(), *(pair for item in node.values() for pair in _pairs(item))]
    return [pair for item in node for pair in _pairs(item)] if isinstance(node, list) else []
