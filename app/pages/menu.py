"""A menu: entries in sections, and which of them is open now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the menu; ``icon`` is a name of Tabler's icons, ``right`` what one needs to see it, if anything."""

    title: str
    path: str
    icon: str
    right: StrEnum | None = None
    is_open: bool = False


Section = tuple[str, Sequence[Link]]


def menu_for(menu: Sequence[Section], may: Callable[[StrEnum], bool], here: str) -> list[Section]:
    """Return the entries that ``may`` allows, the one of the page ``here`` open; no section without entries."""
    longest = max((link.path for _, links in menu for link in links if _holds(link.path, here)), key=len, default="")
    shown = [
        (
            section,
            [replace(link, is_open=link.path == longest) for link in links if link.right is None or may(link.right)],
        )
        for section, links in menu
    ]
    return [(section, links) for section, links in shown if links]


def _holds(path: str, here: str) -> bool:
    return here == path or (not path.endswith("/") and here.startswith(f"{path}/"))
