"""What may be wrong: a closed set of alarms, each with how much it matters, its headline and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Severity(StrEnum):
    """How much an alarm matters, the least first."""

    NOTICE = "notice"
    """Nothing goes wrong by it today; look when there is time."""
    WARNING = "warning"
    """Orders wait or sales stop in one place."""
    CRITICAL = "critical"
    """Money is at stake, or nothing moves until a person acts."""

    @property
    def rank(self) -> int:
        """Return its place in the order, 0 for the least."""
        return list(Severity).index(self)


class AlarmKind(StrEnum):
    """What is wrong: a closed set, so that delivery and metrics never depend on wording."""

    SUPPLIER_DOWN = "supplier_down"
    """A supplier cannot be reached."""
    SUPPLIER_BLOCKED = "supplier_blocked"
    """A supplier, or a firewall before it, does not let us in."""
    SUPPLIER_CREDENTIALS = "supplier_credentials"
    """A supplier does not accept our key."""
    LOW_BALANCE = "low_balance"
    """Our account at a supplier is used up, or nearly."""
    LOW_RUNWAY = "low_runway"
    """Our account at a supplier lasts for less than staff want."""
    BALANCE_CURRENCY = "balance_currency"
    """A supplier tells our balance in another currency than its account is kept in."""
    UNKNOWN_STATUS = "unknown_status"
    """A supplier said of an order what its connector does not know; nothing was changed by it."""
    UNCLEAR_ORDER = "unclear_order"
    """Nobody knows whether a supplier has an order; a person has to find out."""
    LATE_ORDER = "late_order"
    """An order takes longer than its service allows."""
    DUPLICATE_AT_SUPPLIER = "duplicate_at_supplier"
    """A supplier says that it has an order already which we did not know to be there."""
    PRICE_ABOVE_MARGIN = "price_above_margin"
    """A supplier's price left nothing of what a service is sold for."""
    SERVICE_VANISHED = "service_vanished"
    """A service that orders are routed to is no longer in its supplier's catalogue."""
    BOOKS_UNEXPLAINED = "books_unexplained"
    """Our balance at a supplier moved by more, or less, than our orders explain."""
    TOPUP_WAITING = "topup_waiting"
    """A customer says to have paid; staff have to look whether it arrived."""
    FORGED_WEBHOOK = "forged_webhook"
    """Somebody called us in a supplier's name without its signature."""
    WEBHOOK_PAUSED = "webhook_paused"
    """A customer's receiver of messages failed for days; it is sent nothing any more."""
    AUDIT_BREAK = "audit_break"
    """A promise of the ledger is broken."""
    WORKER_SILENT = "worker_silent"
    """No worker gave a sign of life, or work that is due is taken by nobody."""

    @property
    def meaning(self) -> "Meaning":
        """Return how much it matters and what to do about it."""
        return MEANINGS[self]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a kind of alarm says to a person: how much it matters, a headline, one sentence of what to do."""

    severity: Severity
    headline: str
    advice: str


MEANINGS: Mapping[AlarmKind, Meaning] = MappingProxyType(
    {
        AlarmKind.SUPPLIER_DOWN: Meaning(
            Severity.WARNING,
            "A supplier cannot be reached",
            "Test the supplier's connection; meanwhile its orders wait or take their next route.",
        ),
        AlarmKind.SUPPLIER_BLOCKED: Meaning(
            Severity.CRITICAL,
            "A supplier does not let us in",
            "Ask the supplier to allow our address, which the test of the supplier's connection shows.",
        ),
        AlarmKind.SUPPLIER_CREDENTIALS: Meaning(
            Severity.CRITICAL,
            "A supplier does not accept our key",
            "Get a valid key from the supplier's panel, enter it, and set the supplier active.",
        ),
        AlarmKind.LOW_BALANCE: Meaning(
            Severity.CRITICAL,
            "Our credit at a supplier is used up or nearly",
            "Pay in at the supplier, then set it active; until then its orders wait or take their next route.",
        ),
        AlarmKind.LOW_RUNWAY: Meaning(
            Severity.WARNING,
            "Our credit at a supplier will be used up soon",
            "Pay in at the supplier; its orders wait or take their next route once the credit is gone.",
        ),
        AlarmKind.BALANCE_CURRENCY: Meaning(
            Severity.CRITICAL,
            "A supplier tells our balance in another currency",
            "Ask the supplier whether the account's currency changed, and set the supplier's currency here if it did.",
        ),
        AlarmKind.UNKNOWN_STATUS: Meaning(
            Severity.NOTICE,
            "A supplier said what we do not understand",
            "Look at the order in the supplier's panel and teach its wording what the status means.",
        ),
        AlarmKind.UNCLEAR_ORDER: Meaning(
            Severity.WARNING,
            "Nobody knows whether a supplier has an order",
            "Look for the order in the supplier's panel and resolve the attempt as found or not found.",
        ),
        AlarmKind.LATE_ORDER: Meaning(
            Severity.WARNING,
            "An order takes longer than its service allows",
            "Ask the supplier about the order, or decide what becomes of it in the queue of stuck orders.",
        ),
        AlarmKind.DUPLICATE_AT_SUPPLIER: Meaning(
            Severity.WARNING,
            "A supplier has an order that we did not know to be there",
            "Look for the device in the supplier's panel and resolve the attempt before anything is bought again.",
        ),
        AlarmKind.PRICE_ABOVE_MARGIN: Meaning(
            Severity.WARNING,
            "A supplier's price leaves nothing of ours",
            "Raise our price, route the service elsewhere, or take the change back; until then it is not bought there.",
        ),
        AlarmKind.SERVICE_VANISHED: Meaning(
            Severity.WARNING,
            "A service that we sell is gone at its supplier",
            "Route the service to another supplier or take it off sale.",
        ),
        AlarmKind.BOOKS_UNEXPLAINED: Meaning(
            Severity.WARNING,
            "Our balance at a supplier is not what our orders explain",
            "Compare the supplier's own statement with its books here, and enter deposits that are missing.",
        ),
        AlarmKind.TOPUP_WAITING: Meaning(
            Severity.NOTICE,
            "A customer says to have paid in",
            "Look whether the money arrived, then approve the request with what did, or refuse it with a reason; above"
            " the limit of one person a second approves it too.",
        ),
        AlarmKind.FORGED_WEBHOOK: Meaning(
            Severity.NOTICE,
            "Somebody calls us in a supplier's name without its signature",
            "Check that the secret entered here is the one in the supplier's panel; if it is, somebody is trying us.",
        ),
        AlarmKind.WEBHOOK_PAUSED: Meaning(
            Severity.NOTICE,
            "A customer's webhook receiver failed for days and is paused",
            "Tell the customer, who can set the endpoint active again once it answers; what was held is sent then.",
        ),
        AlarmKind.AUDIT_BREAK: Meaning(
            Severity.CRITICAL,
            "A promise of the ledger is broken",
            "Run trunkline audit, stop selling to those it names, and find the cause before correcting anything.",
        ),
        AlarmKind.WORKER_SILENT: Meaning(
            Severity.CRITICAL,
            "Orders are accepted, but no worker takes them",
            "Start a worker (trunkline worker) or restart those that hang, and look at their logs.",
        ),
    }
)
