"""Connections that clients and proxies keep open between calls stay open."""

import contextlib
import time
from http.client import HTTPConnection
from pathlib import Path

from bench.children import serving

IDLE_SECONDS = 7
"""Longer than the server's library keeps connections open by itself, shorter than any proxy does."""


def test_a_connection_that_was_idle_for_a_while_is_still_answered(conninfo: str, tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": conninfo,
        "SECRET_KEY": "a test key that protects nothing but tests",
        "VAR_DIR": str(tmp_path),
    }
    with serving("app", ["serve"], environment, tmp_path / "server.log", ready="/readyz") as (port, _):
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        with contextlib.closing(connection):
            assert answered(connection)
            first = connection.sock
            time.sleep(IDLE_SECONDS)
            assert answered(connection)
            assert connection.sock is first


def answered(connection: HTTPConnection) -> bool:
    connection.request("GET", "/healthz")
    response = connection.getresponse()
    response.read()
    return response.status == 200
