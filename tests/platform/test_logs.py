"""Every line goes through one chain, carries its ids, and shows no secret."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app import logs
from app.sealing import new_token

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Log as JSON for one test; calling it returns what was written since the last call."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("info", as_json=True)
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_its_ids(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(order_id=5, attempt_id=7):
        structlog.get_logger().info("placed", remote_id="77")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "placed", "level": "info", "order_id": 5, "attempt_id": 7, "remote_id": "77"}


def test_the_libraries_lines_take_the_same_way(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        logging.getLogger("procrastinate.worker").warning("job %s", 5, extra={"task": {"token": "hush"}})
    (line,) = lines()
    assert line["event"] == "job 5"
    assert line["logger"] == "procrastinate.worker"
    assert line["request_id"] == "r1"
    assert line["task"] == {"token": logs.MASK}


def test_the_level_holds_for_both(lines: Lines) -> None:
    structlog.get_logger().debug("quiet")
    logging.getLogger("procrastinate").debug("quiet")
    assert lines() == []


def test_urls_of_requests_are_not_written(lines: Lines) -> None:
    for name in ("uvicorn.access", "httpx2"):
        logging.getLogger(name).info("GET /api/index.php?apiaccesskey=hush")
    assert lines() == []


def test_configuring_twice_writes_each_line_once(lines: Lines) -> None:
    logs.configure("info", as_json=True)
    logging.getLogger("uvicorn.error").info("started")
    assert len(lines()) == 1


@pytest.mark.parametrize(
    "name",
    ["apiaccesskey", "API_KEY", "key", "token", "password", "secret", "Authorization", "parameters", "X-Api-Key",
     "secret_key", "client_secret", "access_token", "database_password", "Cookie", "credentials"],
)  # fmt: skip
def test_values_of_telling_names_are_masked_at_any_depth(lines: Lines, name: str) -> None:
    structlog.get_logger().info("x", **{name: "hush"}, nested=[{"inner": {name: ["hush"]}}])
    (line,) = lines()
    assert line[name] == logs.MASK
    assert line["nested"] == [{"inner": {name: logs.MASK}}]


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/index.php?username=me&apiaccesskey=hush-hush&requestformat=JSON",
        "apiAccessKey=hush",
        '{"api_key": "hush", "username": "me"}',
        "{'password': 'hush'}",
        "Authorization: Bearer hush.hush-hush",
        "curl -H 'authorization: basic hushhush'",
        "connection to postgresql://me:hush@db/x failed",
        "redis://:hush@cache:6379/0",
        "<APIACCESSKEY>hush</APIACCESSKEY>",
        "parameters=PFBBUkFNRVRFUlM+hush&action=placeimeiorder",
    ],
)
def test_secrets_inside_text_are_masked(lines: Lines, text: str) -> None:
    structlog.get_logger().info(text, raw=text.encode(), note=text, deep={"a": [text]})
    try:
        raise ValueError(text)
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("uvicorn.error").exception("failed")
    written = lines()
    assert len(written) == 3
    assert "hush" not in json.dumps(written)
    assert logs.MASK in written[0]["event"]
    assert "ValueError" in written[1]["exception"]


def test_our_own_tokens_are_known_by_their_form(lines: Lines) -> None:
    token = new_token("tk")
    structlog.get_logger().info(f"somebody sent {token} as a name", remote_id="dhru_123")
    (line,) = lines()
    assert line["event"] == "somebody sent tk_*** as a name"
    assert line["remote_id"] == "dhru_123"


def test_plain_text_stays_as_it_is() -> None:
    for text in (
        "https://shop.example/api/index.php?action=placeimeiorder",
        "duplicate key value violates unique constraint; Key (customer_id)=(5) already exists",
        "2026-11-20T23:32:19Z",
        "monkey: banana",
    ):
        assert logs.redact_text(text) == text


def test_values_that_json_cannot_hold_do_not_cost_the_line(lines: Lines) -> None:
    structlog.get_logger().info(
        "odd", big=2**70, lone="\ud800", raw=b"\xff\x00", sealed=SecretStr("hush"), item=object()
    )
    (line,) = lines()
    assert line["event"] == "odd"
    assert "hush" not in json.dumps(line)


def test_a_console_line_is_masked_too(lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    lines()
    structlog.reset_defaults()
    logs.configure("info", as_json=False)
    structlog.get_logger().info("placed", key="hush")
    written = capsys.readouterr().err
    assert "placed" in written
    assert "hush" not in written


@given(st.text())
def test_redaction_takes_any_text_and_is_stable(text: str) -> None:
    once = logs.redact_text(text)
    assert logs.redact_text(once) == once
