"""Which paths are the DHRU door: every one that panels and their owners are known to build from a pasted URL."""

from functools import lru_cache
from typing import Literal

Dialect = Literal["6.1", "8.2"]

_STEPS = frozenset(
    {"api", "index.php", "api.php", "public", "dhru", "dhru_api.php", "dhru-api.php", "dhru_bridge", "supplier_api.php"}
    | {"8.2"}
)
_DOORS = _STEPS - {"public", "8.2"}


@lru_cache(maxsize=1024)
def match_path(path: str) -> Dialect | Literal["key"] | None:
    """Return the dialect that ``path`` asks for, "key" if it leaves that to the key, None if it is not the door.

    The door is any chain of its known steps, so that a base URL with a slash at its end or one pasted whole works
    (``//api/index.php``, ``/api/index.php/api/index.php``), and anything behind ``index.php``. A step ``8.2`` anywhere
    before asks for that dialect.
    """
    steps = [step for step in path.lower().split("/") if step]
    if "index.php" in steps:
        steps = steps[: steps.index("index.php") + 1]
    if not steps or steps[-1] not in _DOORS or not _STEPS.issuperset(steps):
        return None
    return "8.2" if "8.2" in steps else "key"
