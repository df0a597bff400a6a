"""docs/connectors.md keeps its promise: the two files it prints, as they stand there, are a connector that passes."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import app.connectors
from app.connectors import registry
from app.connectors.base import Connector
from tests.connectors import harness, test_failures, test_recordings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/connectors.md").read_text(encoding="utf-8")
FILES: dict[str, str] = dict(
    re.findall(r"^\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE),
)
KIND = "acme"
CONNECTOR, RECORDINGS = f"app/connectors/{KIND}.py", f"tests/connectors/recordings/{KIND}.json"
ENTRIES: list[dict[str, Any]] = json.loads(FILES[RECORDINGS])["recordings"]


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The two files lie where connectors and recordings are looked for; nothing else is changed."""
    (tmp_path / f"{KIND}.py").write_text(FILES[CONNECTOR], encoding="utf-8")
    (tmp_path / f"{KIND}.json").write_text(FILES[RECORDINGS], encoding="utf-8")
    monkeypatch.setattr(app.connectors, "__path__", [*app.connectors.__path__, str(tmp_path)])
    for module in (harness, test_recordings):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    registry.kinds.cache_clear()
    yield
    registry.kinds.cache_clear()
    sys.modules.pop(f"app.connectors.{KIND}", None)
    vars(app.connectors).pop(KIND, None)


def test_the_page_prints_two_files_and_touches_no_other() -> None:
    assert list(FILES) == [CONNECTOR, RECORDINGS]
    assert KIND not in registry.kinds()


@pytest.mark.parametrize("command", [["check"], ["format", "--diff"]])
def test_the_connector_is_written_as_all_others_are(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--stdin-filename", CONNECTOR, "-"],
        cwd=ROOT,
        input=FILES[CONNECTOR],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("added")
def test_a_file_makes_a_kind() -> None:
    assert issubclass(registry.kinds()[KIND], Connector)
    assert set(registry.schema(KIND)["required"]) == {"base_url", "api_key"}
    assert registry.secret_names(KIND) == {"api_key"}


@pytest.mark.usefixtures("added")
class TestTheHarness:
    """Every test that waits for a new kind, driven through this one."""

    @pytest.mark.parametrize("number", range(len(ENTRIES)), ids=[entry["name"] for entry in ENTRIES])
    async def test_recording(self, number: int) -> None:
        await test_recordings.test_recording(KIND, harness.load(KIND)[number])

    def test_recordings_are_complete_and_clean(self) -> None:
        test_recordings.test_every_kind_has_recordings_of_every_call_it_must_have(KIND)
        test_recordings.test_a_kind_sends_something_unless_it_says_that_it_has_no_wire(KIND)
        test_recordings.test_names_tell_recordings_apart(KIND)
        test_recordings.test_no_recording_holds_a_secret(KIND)

    @pytest.mark.parametrize("failure", test_failures.NEVER_LEFT)
    async def test_what_never_left_is_not_sent(self, failure: str) -> None:
        await test_failures.test_what_never_left_is_not_sent(KIND, failure)

    @pytest.mark.parametrize("failure", test_failures.NO_ANSWER)
    async def test_no_answer_to_placing_is_unclear(self, failure: str) -> None:
        await test_failures.test_no_answer_to_placing_is_unclear(KIND, failure)

    @pytest.mark.parametrize("failure", [*test_failures.NEVER_LEFT, *test_failures.NO_ANSWER])
    async def test_no_answer_to_reading_finishes_nothing(self, failure: str) -> None:
        await test_failures.test_no_answer_to_checking_finishes_nothing(KIND, failure)
        await test_failures.test_no_answer_to_reading_is_no_empty_catalogue_and_no_balance(KIND, failure)

    async def test_errors_and_secrets(self) -> None:
        await test_failures.test_a_success_with_5xx_is_unclear(KIND)
        await test_failures.test_errors_tell_no_secret(KIND)

    @pytest.mark.parametrize("call", ["place", "check"])
    async def test_a_reply_cut_anywhere_places_nothing_and_finishes_nothing(self, call: str) -> None:
        for entry in self._good(call):
            text = entry["reply"]["text"]
            for size in range(len(text)):
                ending = await harness.replay(KIND, {**entry, "reply": {"text": text[:size]}})
                assert ending["raises"]["word"] == "Unclear", text[:size]

    async def test_pain_3_a_success_without_its_id_is_unclear(self) -> None:
        for entry in self._good("place"):
            text = entry["reply"]["text"].replace(entry["returns"]["remote_id"], "")
            ending = await harness.replay(KIND, {**entry, "reply": {"text": text}})
            assert ending["raises"]["word"] == "Unclear"

    @staticmethod
    def _good(call: str) -> list[dict[str, Any]]:
        found = [entry for entry in harness.load(KIND) if entry["call"] == call and "returns" in entry]
        assert found
        return found
