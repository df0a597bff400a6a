"""What an API key may be allowed to do."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from app.errors import Forbidden, Invalid


class Scope(StrEnum):
    """One thing that a key may do; the value never changes."""

    SERVICES_READ = "services.read"
    ORDERS_CREATE = "orders.create"
    ORDERS_READ = "orders.read"
    MONEY_READ = "money.read"
    TOPUPS_CREATE = "topups.create"
    WEBHOOKS_MANAGE = "webhooks.manage"


ALL_SCOPES = tuple(Scope)

MEANINGS: Mapping[Scope, str] = MappingProxyType(
    {
        Scope.SERVICES_READ: "see services and prices",
        Scope.ORDERS_CREATE: "place and cancel orders",
        Scope.ORDERS_READ: "see orders and results",
        Scope.MONEY_READ: "see the balance and the statement",
        Scope.TOPUPS_CREATE: "ask for top-ups",
        Scope.WEBHOOKS_MANAGE: "set up webhooks",
    }
)
"""What each lets a key do, for people."""


class ScopeMissing(Forbidden):
    """The key is right, but may not do this; ``scope`` is what it lacks."""

    code = "scope_missing"

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"This key does not have the scope {scope.value}.")
        self.scope = scope


def check_scopes(given: Iterable[str]) -> list[str]:
    """Return the scopes, each once, in the order of ``Scope``; Invalid for one there is not, or for none at all."""
    wanted = set(given)
    if not wanted or not wanted <= set(ALL_SCOPES):
        raise Invalid(f"Scopes are one or more of {', '.join(ALL_SCOPES)}.", field="scopes")
    return [scope.value for scope in ALL_SCOPES if scope in wanted]
