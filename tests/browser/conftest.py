"""A real Chromium before a whole server on loopback; without one these tests are skipped, in one line."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from tests.pages import conftest as pages

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in _NAMES if (found := shutil.which(name))), None)
MISSING = "no Chromium on this machine: apt-get install chromium (or your system's package), then run these again"

# A Chromium that only ever talks to loopback; as root it has no sandbox to drop into.
_FLAGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", *(["--no-sandbox"] if os.geteuid() == 0 else []),
]  # fmt: skip

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

# What the server of these tests is, is what it is in tests/pages.
sealer, changes, url = pages.sealer, pages.changes, pages.url

PATIENCE = 30_000
"""Milliseconds that anything may take to be seen: five seconds are not enough where the machine has much else to do."""
expect.set_options(timeout=PATIENCE)

OpenPage = Callable[..., Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a browser where there is none."""
    if CHROMIUM is None:
        here = Path(__file__).parent
        for item in items:
            if here in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window and without a past."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def open_page(chromium: Browser, url: str) -> AsyncIterator[OpenPage]:
    """Opens pages, each in a profile of its own; a refused script or style, or any other trouble, fails the test."""
    troubles: list[str] = []
    contexts: list[BrowserContext] = []

    def heard(message: ConsoleMessage) -> None:
        # A form that is refused answers 4xx, which Chromium tells of; all else is ours to mend.
        if message.type in {"error", "warning"} and "responded with a status of 4" not in message.text:
            troubles.append(message.text)

    async def open_one(path: str, **options: Any) -> Page:
        context = await chromium.new_context(base_url=url, **{**DESKTOP, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        await page.goto(path)
        return page

    yield open_one
    for context in contexts:
        await context.close()
    assert troubles == []
