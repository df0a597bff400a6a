"""What of an order must not be shown to those who settle a dispute about it, and how it is kept out of documents."""

import re
from collections.abc import Mapping
from typing import Any

from app.connectors._redact import MASK
from app.suppliers.hiding import Hide

_PRIVATE_FIELD = re.compile(r"passw|passcode|passphrase|secret|\bpin\b|\btoken\b|2fa|\botp\b", re.IGNORECASE)
"""Fields whose values customers trust us with; nobody who settles a dispute needs them."""

_OUR_OWN = frozenset(
    {
        "at", "kind", "state", "device", "price", "currency", "placed_at", "closed_at", "sent_at", "since", "until",
        "next", "last_seen", "cost", "amount", "transfer", "call", "method", "effect_on_customer", "effect_on_escrow",
        "effect_on_sales", "effect_on_account", "in_escrow_for_this_order", "set_aside_for_this_order",
    }
)  # fmt: skip
"""What we write in our own words and numbers, where a customer's short password would only hide the truth."""


def private_values(fields: Mapping[str, Any]) -> list[str]:
    """Return the values of an order's fields that customers trust us with."""
    return [str(value) for name, value in fields.items() if _PRIVATE_FIELD.search(name)]


def open_fields(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return an order's fields as text, private ones masked."""
    return {name: MASK if _PRIVATE_FIELD.search(name) else str(value) for name, value in fields.items()}


def hidden(value: Any, hide: Hide) -> Any:
    """Return a document, or a part of it, with ``hide`` done to every text that others may have written."""
    if isinstance(value, dict):
        return {name: inner if name in _OUR_OWN else hidden(inner, hide) for name, inner in value.items()}
    if isinstance(value, list):
        return [hidden(inner, hide) for inner in value]
    return hide(value) if isinstance(value, str) else value
