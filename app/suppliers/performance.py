"""How suppliers did, day by day and for each remote service: what was sent, what came of it, how long that took.

Derived from the attempts and rebuilt for recent days, because what was sent on a day is answered on later ones too.
"""

from dataclasses import dataclass
from datetime import UTC, date, timedelta

from app.clock import now
from app.db import Connection

REBUILT_DAYS = 14
"""So long back the days are measured again every night; later answers change a report no more."""
KEPT_DAYS = 400


@dataclass(frozen=True, slots=True)
class Counts:
    """Attempts that were sent, by what became of them; ``open`` are without an answer yet."""

    sent: int
    delivered: int
    failed: int
    refused: int
    open: int

    @property
    def success_permille(self) -> int | None:
        """Return the share delivered of what was answered, in thousandths; None before anything was."""
        answered = self.delivered + self.failed + self.refused
        return self.delivered * 1000 // answered if answered else None


@dataclass(frozen=True, slots=True)
class DayReport:
    """A day of a supplier; the seconds are those from sending to delivery, half of them and 95 of a hundred."""

    day: date
    counts: Counts
    p50_seconds: int | None
    p95_seconds: int | None


@dataclass(frozen=True, slots=True)
class RemoteReport:
    """A remote service over the days asked for; the seconds are the median of its days' medians."""

    id: int
    remote_id: str
    name: str
    counts: Counts
    p50_seconds: int | None


async def measure_days(conn: Connection, *, back: int) -> int:
    """Measure today and ``back`` days before it anew; return how many rows there are. ``conn`` is in a transaction."""
    today = now().astimezone(UTC).date()
    cursor = await conn.execute("SELECT measure_days(%s, %s) AS rows", (today - timedelta(days=back), today))
    row = await cursor.fetchone()
    return int(row["rows"]) if row else 0


async def forget_days(conn: Connection) -> int:
    """Remove what is older than any report; return how many rows."""
    cursor = await conn.execute(
        "DELETE FROM measured_days WHERE day < %s", (now().astimezone(UTC).date() - timedelta(days=KEPT_DAYS),)
    )
    return cursor.rowcount


async def report_days(conn: Connection, supplier_id: int, *, days: int) -> list[DayReport]:
    """Return the last ``days`` of a supplier on which something was sent, the newest first."""
    cursor = await conn.execute(
        "SELECT day, sent, delivered, failed, refused, open, p50_seconds, p95_seconds FROM measured_days"
        " WHERE supplier_id = %s AND remote_service_id IS NULL AND day > %s ORDER BY day DESC",
        (supplier_id, _since(days)),
    )
    return [
        DayReport(row.pop("day"), p50_seconds=row.pop("p50_seconds"), p95_seconds=row.pop("p95_seconds"),
                  counts=Counts(**row))
        for row in await cursor.fetchall()
    ]  # fmt: skip


async def report_remote_services(conn: Connection, supplier_id: int, *, days: int, limit: int) -> list[RemoteReport]:
    """Return the remote services of a supplier that were bought most in the last ``days``, those first."""
    cursor = await conn.execute(
        "SELECT m.id, m.remote_id, m.name, d.sent, d.delivered, d.failed, d.refused, d.open, d.p50_seconds FROM ("
        " SELECT remote_service_id, sum(sent) AS sent, sum(delivered) AS delivered, sum(failed) AS failed,"
        "  sum(refused) AS refused, sum(open) AS open,"
        "  percentile_disc(0.5) WITHIN GROUP (ORDER BY p50_seconds) AS p50_seconds"
        " FROM measured_days WHERE supplier_id = %s AND remote_service_id IS NOT NULL AND day > %s"
        " GROUP BY remote_service_id ORDER BY sent DESC, remote_service_id LIMIT %s"
        ") d JOIN remote_services m ON m.id = d.remote_service_id ORDER BY d.sent DESC, m.id",
        (supplier_id, _since(days), limit),
    )
    return [
        RemoteReport(row.pop("id"), row.pop("remote_id"), row.pop("name"), p50_seconds=row.pop("p50_seconds"),
                     counts=Counts(**row))
        for row in await cursor.fetchall()
    ]  # fmt: skip


def _since(days: int) -> date:
    return now().astimezone(UTC).date() - timedelta(days=days)
