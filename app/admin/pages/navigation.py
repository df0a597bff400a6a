"""The menu: what there is, for whom, and which of it is open now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.staff.service import Right


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the menu; ``icon`` is a name of Tabler's icons, ``right`` what one needs to see it."""

    title: str
    path: str
    icon: str
    right: Right = Right.READ
    is_open: bool = False


LINKS: Sequence[Link] = (
    Link("Start", "/admin/", "home"),
    Link("Alarms", "/admin/alarms", "bell"),
    Link("Staff", "/admin/staff", "users", Right.OWN),
)
"""The whole menu, in its order; a new page adds its line."""


def links_for(may: Callable[[Right], bool], here: str) -> list[Link]:
    """Return the entries that ``may`` allows, the one of the page ``here`` open."""
    return [
        Link(link.title, link.path, link.icon, link.right, _is_open(link.path, here))
        for link in LINKS
        if may(link.right)
    ]


def _is_open(path: str, here: str) -> bool:
    return here == path or (path != "/admin/" and here.startswith(f"{path}/"))
