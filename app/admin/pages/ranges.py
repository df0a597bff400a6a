"""The days that a page is asked for: from and to, both of them days that belong to it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from app.admin.pages.visit import Visit
from app.clock import now
from app.errors import Invalid


@dataclass(frozen=True, slots=True)
class Days:
    """Days in UTC from ``first`` to ``last``, None for no end."""

    first: date | None
    last: date | None

    @property
    def since(self) -> datetime | None:
        """The first moment."""
        return None if self.first is None else datetime.combine(self.first, time(), UTC)

    @property
    def until(self) -> datetime | None:
        """The moment after the last."""
        return None if self.last is None else datetime.combine(self.last + timedelta(days=1), time(), UTC)

    @property
    def chosen(self) -> dict[str, str]:
        """What the address of a page says of them."""
        named = {"from": self.first, "to": self.last}
        return {name: day.isoformat() for name, day in named.items() if day is not None}


def asked_days(visit: Visit) -> Days:
    """Return the days that the query names; Invalid for what is no day, and for an end before the beginning."""
    days = Days(_day(visit, "from"), _day(visit, "to"))
    if days.first and days.last and days.last < days.first:
        raise Invalid("The end is before the beginning.", field="to")
    return days


def bounded_days(visit: Visit, *, usual: int, most: int) -> tuple[date, date]:
    """Return the first and the last day: those of the query, else the ``usual`` number up to today.

    Raises Invalid as ``asked_days``, and for more than ``most`` days.
    """
    asked = asked_days(visit)
    last = asked.last or now().astimezone(UTC).date()
    first = asked.first or last - timedelta(days=usual - 1)
    if last < first:
        raise Invalid("The end is before the beginning.", field="to")
    if (last - first).days >= most:
        raise Invalid(f"At most {most} days at once.", field="from")
    return first, last


def latest_days(number: int) -> tuple[date, date]:
    """Return the first and the last of so many days up to today."""
    today = now().astimezone(UTC).date()
    return today - timedelta(days=number - 1), today


def _day(visit: Visit, name: str) -> date | None:
    text = visit.asked(name)
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Invalid("A day such as 2026-11-30.", field=name) from error
    if not 2000 <= day.year < 2100:
        raise Invalid("A day of this century.", field=name)
    return day
