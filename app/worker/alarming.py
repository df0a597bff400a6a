"""What in the words of a supplier a person should hear of, beside what the order path makes of them."""

from collections.abc import Iterable

from app.alarms.service import Alarming, AlarmKind, about_supplier
from app.connectors.base import Placed, Report
from app.connectors.errors import ConnectorError, NotSent, RefusalReason, Refused
from app.orders.policy import PlaceOutcome
from app.suppliers.service import SupplierAccount

_REFUSALS = {
    RefusalReason.NO_FUNDS: AlarmKind.LOW_BALANCE,
    RefusalReason.BAD_CREDENTIALS: AlarmKind.SUPPLIER_CREDENTIALS,
    RefusalReason.BLOCKED: AlarmKind.SUPPLIER_BLOCKED,
}


def after_placing(account: SupplierAccount, outcomes: Iterable[PlaceOutcome]) -> list[Alarming]:
    """Return the alarms that the outcomes of placing call for; unclear attempts raise theirs when they are recorded."""
    found = []
    for outcome in outcomes:
        if isinstance(outcome, Placed):
            found += after_checking(account, [outcome.report] if outcome.report else [], None)
        else:
            found += _trouble(account, outcome)
    return found


def after_checking(account: SupplierAccount, reports: Iterable[Report], error: ConnectorError | None) -> list[Alarming]:
    """Return the alarms that a supplier's reports, or the error that came instead, call for."""
    found = _trouble(account, error) if error is not None else []
    for report in reports:
        if report.note:
            text = f"{account.name}, their order {report.remote_id}: {report.note}"
            found.append(Alarming(AlarmKind.UNKNOWN_STATUS, about_supplier(account.id), text))
    return found


def _trouble(account: SupplierAccount, error: ConnectorError) -> list[Alarming]:
    kind = AlarmKind.SUPPLIER_DOWN if isinstance(error, NotSent) else None
    if isinstance(error, Refused):
        kind = _REFUSALS.get(error.reason)
    return [Alarming(kind, about_supplier(account.id), f"{account.name}: {error.text}")] if kind else []
