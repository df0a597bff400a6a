"""Connectors for a running fake: served over real HTTP, built by kind, closed at the end."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from app.connectors import registry
from app.connectors.base import Connector
from tests.fakes.faults import FaultyApp, serving_fake

Build = Callable[..., Connector[Any]]
"""``build(kind, path="", **config)``: ``path`` goes behind the fake's root, ``config`` over its own."""


@asynccontextmanager
async def building(fake: FaultyApp, config_at: Callable[[str], Mapping[str, object]]) -> AsyncIterator[Build]:
    """Serve the fake and lend what builds connectors for it; none of them waits long for a reply.

    ``config_at`` gives the config of a connector for a base URL.
    """
    built: list[Connector[Any]] = []
    async with serving_fake(fake) as url:

        def build(kind: str, path: str = "", **config: object) -> Connector[Any]:
            built.append(registry.build(kind, {**config_at(url + path), "read_seconds": 1, **config}))
            return built[-1]

        try:
            yield build
        finally:
            for connector in built:
                await connector.http.aclose()
