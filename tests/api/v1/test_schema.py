"""The description against a real server: no answer that it does not have, no fault, whatever is sent."""

import asyncio
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api.v1 import PREFIX
from app.db import Database
from app.main import build_app
from app.settings import load_settings
from tests.factories import Shop, make_shop

EXAMPLES = 10
"""For each operation; the whole walk stays below a minute on a slow machine."""
PATIENCE = 120.0
"""Seconds for one answer: a machine that is busy is no fault of the API."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture
def served(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Shop]]:
    """The URL of the whole program, as the command serves it, in a thread of its own; and a shop in it."""
    # The description's own example of Prefer is among what is sent, and nobody here delivers what is waited for.
    monkeypatch.setattr("app.api.v1.wait.MAX_WAIT", 1)
    chosen = load_settings(
        None, database_url=conninfo, secret_key="k" * 40, var_dir=tmp_path, api_requests_per_minute=0
    )

    async def fill() -> Shop:
        db = Database(conninfo)
        await db.open()
        try:
            return await make_shop(db, chosen.sealer())
        finally:
            await db.close()

    shop = asyncio.run(fill())
    server = uvicorn.Server(uvicorn.Config(build_app(chosen), port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", shop
    finally:
        server.should_exit = True
        thread.join()


# The server's thread rolls the same dice as this one, for the life of a connection of its pool; if it does so while an
# example is drawn, hypothesis takes that for the example's doing.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_every_answer_is_described_and_none_is_a_fault(served: tuple[str, Shop]) -> None:
    url, shop = served
    schema = schemathesis.openapi.from_url(f"{url}{PREFIX}/openapi.json")
    headers = {"Authorization": f"Bearer {shop.key}"}
    called: dict[str, set[int]] = {}
    faults: list[str] = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answered(case: Any) -> None:
            response = case.call(base_url=url + PREFIX, headers=headers, timeout=PATIENCE)
            called.setdefault(case.operation.label, set()).add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        try:
            answered()
        except (AssertionError, BaseExceptionGroup) as error:
            faults.append("\n".join(traceback.format_exception_only(error)))
    assert not faults, "\n\n".join(faults)
    assert len(called) > 20
    assert sum(200 in statuses or 201 in statuses for statuses in called.values()) >= 8, called
