"""Pictures of the main pages for the docs, taken by the newcomer's walk when SCREENSHOTS=1 asks for them."""

import os
from pathlib import Path

from playwright.async_api import Page

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
NAMES = ("start", "supplier", "mapping", "make-services", "customer", "orders", "order", "profit", "dashboard")
"""The pages, in the order of the walk."""


def files(name: str) -> list[str]:
    """The files of one page: on a desktop and on a phone."""
    return [f"{name}-{window}.png" for window in ("desktop", "phone")]


class Camera:
    """Takes each picture once; without SCREENSHOTS=1 it only writes down that it was asked to."""

    def __init__(self, window: str) -> None:
        """``window`` is desktop or phone."""
        self.window = window
        self.taken: list[str] = []
        self._is_on = os.environ.get("SCREENSHOTS") == "1"

    async def take(self, page: Page, name: str) -> None:
        """Take what the window shows, from the top of the page."""
        assert name in NAMES
        self.taken.append(name)
        if self._is_on:
            FOLDER.mkdir(parents=True, exist_ok=True)
            await page.evaluate("window.scrollTo(0, 0)")
            await page.screenshot(path=FOLDER / f"{name}-{self.window}.png", animations="disabled")
