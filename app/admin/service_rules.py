"""The rules of a service as the staff API takes and shows them."""

from typing import Any, Literal

from pydantic import BaseModel, Field, StrictBool

from app.admin.schemas import Amount, Body, Decimals
from app.catalog.rules import RULES, Rules
from app.catalog.tables import Service
from app.money import format_amount

_DUPLICATES = (
    "What an order for a device leads to that has one already: refuse; return the earlier order, if it is the same in"
    " all; allow; recent: serve the result again while it is young enough."
)


class RulesIn(Body):
    """How orders for a service live."""

    service_class: Literal["check", "unlock"] = Field("check", description="A check's answer is always final.")
    next_after_rejection: StrictBool = Field(False, description="Unlocks only: try the next route after a definite no.")
    routing: Literal["priority", "cost", "expected_cost"] = Field(
        "priority", description="expected_cost: the cost divided by the measured share of deliveries."
    )
    duplicates: Literal["refuse", "return", "allow", "recent"] = Field("refuse", description=_DUPLICATES)
    duplicate_hours: int = Field(
        0, ge=0, le=8760, description="For how long a completed order counts as the earlier one; 0: only an open one."
    )
    recent_price: Amount | None = Field(None, description="What a result served again costs; null: the usual price.")
    confirm_seconds: int = Field(
        0, ge=0, le=86_400, description="How long an order waits before it is sent, so that it can be taken back."
    )
    expected_minutes: int | None = Field(None, ge=1, le=1_000_000)
    guaranteed_minutes: int | None = Field(None, ge=1, le=1_000_000, description="After this staff are told.")
    measured_time: StrictBool = Field(False, description="Show the measured delivery time in the service list.")

    def new(self) -> Rules:
        """Return the rules as the catalogue takes them."""
        return Rules(**self.model_dump())

    def changes(self) -> dict[str, Any]:
        """Return those that were named."""
        return self.model_dump(include=self.model_fields_set)


class RulesOut(BaseModel):
    """How orders for a service live."""

    service_class: str
    next_after_rejection: bool
    routing: str
    duplicates: str
    duplicate_hours: int
    recent_price: Decimals | None
    confirm_seconds: int
    expected_minutes: int | None
    guaranteed_minutes: int | None
    measured_time: bool


def rules_out(row: Service) -> RulesOut:
    """Return a service's rules as they are shown."""
    shown = {name: getattr(row, name) for name in RULES}
    price = row.recent_price
    return RulesOut(**{**shown, "recent_price": None if price is None else format_amount(price)})
