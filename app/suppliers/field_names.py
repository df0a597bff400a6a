"""What an order's fields are called at the supplier: by the route's map, by their own spelling, with fixed values."""

from collections.abc import Mapping, Sequence
from typing import Any


def their_fields(
    given: Mapping[str, str],
    *,
    remote_fields: Sequence[Mapping[str, Any]],
    field_map: Mapping[str, str],
    fixed: Mapping[str, str],
) -> dict[str, str]:
    """Return an order's fields under the names of the supplier.

    A field goes under the name that the route's map gives it; else under the supplier's own spelling of the same name,
    byte for byte, whatever blanks or case ours has. The route's fixed values win over what the customer sent.
    """
    theirs = {field["name"].strip().lower(): field["name"] for field in remote_fields}
    named = {field_map.get(name) or theirs.get(name.strip().lower(), name): value for name, value in given.items()}
    return {**named, **fixed}
