"""The audit log: who did what, before and after, from where; nobody can change it, and no secret is in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from app.acts.service import Act, Shown, list_acts, subject_kinds
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.money import format_amount
from app.staff.service import Right, list_staff

pages = Noun()

HERE = "/admin/audit-log"
PAGE = 50

_MONEY = {
    "amount", "balance", "books_tolerance", "cost", "credit", "credit_limit", "credited", "fixed", "floor",
    "least_margin", "low_balance", "max_amount", "min_amount", "new", "old", "pay", "previous", "price", "recent_price",
}  # fmt: skip
"""Columns that hold micro-units, shown as people read money."""

_PAGES = {
    "alarm_channel": ("/admin/alarm-channels/{}", Right.OWN),
    "customer": ("/admin/customers/{}", Right.READ),
    "order": ("/admin/orders/{}", Right.READ),
    "price_group": ("/admin/price-groups/{}", Right.READ),
    "service": ("/admin/services/{}", Right.READ),
    "staff": ("/admin/staff/{}", Right.OWN),
    "supplier": ("/admin/suppliers/{}", Right.READ),
}
"""Where a subject of a kind has its page, and who may see that."""


@dataclass(frozen=True, slots=True)
class Change:
    """A column that changed, and its values as people read them; None where there was or is none."""

    column: str
    before: str | None
    after: str | None


@pages.page("/audit-log")
async def audit_log(visit: Visit) -> Response:
    """Acts newest first; those on other members of staff, their sign-ins among them, are for owners."""
    asked = {name: visit.asked(name) for name in ("staff", "kind", "id", "from", "to")}
    shown = Shown(
        staff_id=visit.asked_id("staff"),
        subject_kind=asked["kind"] or None,
        subject_id=visit.asked_id("id"),
        since=_midnight(visit.asked_day("from")),
        until=_midnight(visit.asked_day("to"), days=1),
        not_about_staff_but=None if visit.may(Right.OWN) else visit.staff.id,
    )
    before = visit.asked_id("before")
    async with visit.parts.db.pool.connection() as conn:
        rows = await list_acts(conn, shown, before=before, limit=PAGE + 1)
        kinds = await subject_kinds(conn)
        staff = await list_staff(conn)
    here = {name: value for name, value in asked.items() if value}
    first = f"{HERE}?{urlencode(here)}" if here else HERE
    return await visit.page(
        "audit_log/index.html",
        rows=[(row, _changes(row), _page_of(row, visit)) for row in rows[:PAGE]],
        asked=asked,
        kinds=[("", "anything"), *((kind, kind.replace("_", " ")) for kind in kinds)],
        people=[("", "anybody"), *((row.id, row.name) for row in staff)],
        first=first if before else None,
        more=f"{HERE}?{urlencode({**here, 'before': rows[PAGE - 1].id})}" if len(rows) > PAGE else None,
    )


def _changes(act: Act) -> list[Change]:
    before, after = act.before or {}, act.after or {}
    names = list(after) + [name for name in before if name not in after]
    return [Change(name.replace("_", " "), _said(name, before), _said(name, after)) for name in names]


def _said(column: str, values: Mapping[str, Any]) -> str | None:
    value = values.get(column)
    if value is None or value in ("", [], {}):
        return None
    if column in _MONEY and isinstance(value, int) and not isinstance(value, bool):
        return format_amount(value)
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _page_of(act: Act, visit: Visit) -> str | None:
    pattern, right = _PAGES.get(act.subject_kind, ("", Right.READ))
    # What was removed has no page any more.
    is_there = pattern and act.subject_id and visit.may(right) and not act.act.endswith(" removed")
    return pattern.format(act.subject_id) if is_there else None


def _midnight(day: date | None, *, days: int = 0) -> datetime | None:
    if day is None or day.year >= 9999:
        return None
    return datetime.combine(day, time(), UTC) + timedelta(days=days)
