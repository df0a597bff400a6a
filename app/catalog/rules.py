"""How orders for a service live: duplicates, routing, second tries, time to think again, what was promised."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from app.catalog.tables import MAX_PRICE, Service
from app.errors import Invalid

CLASSES = ("check", "unlock")
ROUTINGS = ("priority", "cost", "expected_cost")
DUPLICATES = ("refuse", "return", "allow", "recent")
DAY_SECONDS = 86_400
YEAR_HOURS = 8760
MAX_MINUTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one service; see ``catalog.tables.Service`` for what each means."""

    service_class: str = "check"
    next_after_rejection: bool = False
    routing: str = "priority"
    duplicates: str = "refuse"
    duplicate_hours: int = 0
    recent_price: int | None = None
    confirm_seconds: int = 0
    expected_minutes: int | None = None
    guaranteed_minutes: int | None = None
    measured_time: bool = False


RULES = tuple(rule.name for rule in fields(Rules))


def set_rules(service: Service, given: Mapping[str, Any]) -> None:
    """Set what ``given`` names; Invalid with the field at fault if the rules do not go together."""
    for name, value in given.items():
        setattr(service, name, value)
    _one_of(service.service_class, CLASSES, "service_class")
    _one_of(service.routing, ROUTINGS, "routing")
    _one_of(service.duplicates, DUPLICATES, "duplicates")
    if service.next_after_rejection and service.service_class != "unlock":
        raise Invalid("A check's answer is final: only an unlock may be tried elsewhere.", field="next_after_rejection")
    _within(service.duplicate_hours, 0, YEAR_HOURS, "duplicate_hours")
    if service.duplicates == "recent" and not service.duplicate_hours:
        raise Invalid("Say for how many hours a result is served again.", field="duplicate_hours")
    if service.recent_price is not None:
        _within(service.recent_price, 0, MAX_PRICE, "recent_price")
    _within(service.confirm_seconds, 0, DAY_SECONDS, "confirm_seconds")
    for name in ("expected_minutes", "guaranteed_minutes"):
        if getattr(service, name) is not None:
            _within(getattr(service, name), 1, MAX_MINUTES, name)
    if (service.guaranteed_minutes or MAX_MINUTES) < (service.expected_minutes or 1):
        raise Invalid("What is guaranteed is not shorter than what is expected.", field="guaranteed_minutes")


def _one_of(value: str, choices: tuple[str, ...], field: str) -> None:
    if value not in choices:
        raise Invalid(f"One of {', '.join(choices)}.", field=field)


def _within(value: int, least: int, most: int, field: str) -> None:
    if not least <= value <= most:
        raise Invalid(f"A number from {least} to {most}.", field=field)
