"""Routes as a sheet: which remote service each service is bought as, written out, and what a sheet would change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.errors import UniqueViolation

from app.catalog.sheets import SheetRow, Verdict, read_lines, write_lines
from app.db import Connection
from app.errors import Conflict
from app.suppliers.circuits import close_remote_service_of

COLUMNS = ("service_id", "service", "supplier", "remote_id", "remote_service", "priority", "state")
MAX_PRIORITY = 1_000_000

_ALL = """
SELECT v.id AS service_id, v.name AS service, s.name AS supplier, m.remote_id, m.name AS remote_service, r.priority,
       r.state
FROM routes r JOIN services v ON v.id = r.service_id JOIN remote_services m ON m.id = r.remote_service_id
JOIN suppliers s ON s.id = m.supplier_id
ORDER BY v.id, r.priority, r.id
"""


async def export_routes(conn: Connection) -> str:
    """Return all routes as a sheet."""
    rows = await (await conn.execute(_ALL)).fetchall()
    return write_lines(COLUMNS, (list(row.values()) for row in rows))


@dataclass(slots=True)
class RouteChanges:
    """What a sheet of routes would change: its lines, the routes to add (service, remote service, priority, state), and
    those to change (route, priority, state)."""

    rows: list[SheetRow] = field(default_factory=list)
    added: list[tuple[int, int, int, str]] = field(default_factory=list)
    changed: list[tuple[int, int, str]] = field(default_factory=list)
    resumed: list[int] = field(default_factory=list)


# Everything the lines are about, in one statement for all of them.
_FACTS = """
SELECT w.line, v.id AS service_id, v.name AS service, s.id AS supplier_id, m.id AS remote_service_id,
       m.removed_at IS NOT NULL AS gone, r.id AS route_id, r.priority, r.state,
       convert_up(1, COALESCE(NULLIF(m.currency, ''), s.currency), v.currency) IS NULL AS no_rate
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) AS w(line, service_id, supplier, remote_id)
LEFT JOIN services v ON v.id = w.service_id
LEFT JOIN suppliers s ON s.name = w.supplier
LEFT JOIN remote_services m ON m.supplier_id = s.id AND m.remote_id = w.remote_id
LEFT JOIN routes r ON r.service_id = v.id AND r.remote_service_id = m.id
"""


async def plan_sheet(conn: Connection, content: str) -> RouteChanges:
    """Return what a sheet of routes would change; nothing is written. Invalid for what is no such sheet.

    Routes that the sheet does not name stay. An empty priority or state leaves what is there, or is 100 and active.
    """
    lines = list(read_lines(content, ("service_id", "supplier", "remote_id", "priority", "state")))
    columns = (
        [number for number, _ in lines],
        [_whole(cells["service_id"]) for _, cells in lines],
        [cells["supplier"] for _, cells in lines],
        [cells["remote_id"] for _, cells in lines],
    )
    facts = {row["line"]: row for row in await (await conn.execute(_FACTS, columns)).fetchall()}
    plan = RouteChanges()
    seen: set[tuple[int, int]] = set()
    for number, cells in lines:
        try:
            plan.rows.append(_line(number, cells, facts[number], plan, seen))
        except ValueError as error:
            what = f"service {cells['service_id'][:40]} over {cells['supplier'][:80]} {cells['remote_id'][:80]}"
            plan.rows.append(SheetRow(number, what, "", "", Verdict.WRONG, str(error)))
    return plan


async def apply_sheet(conn: Connection, plan: RouteChanges) -> int:
    """Add and change the routes of a plan and return how many; ``conn`` is inside a transaction.

    Conflict if somebody adds one of them in the same moment.
    """
    if plan.added:
        try:
            await conn.execute(
                "INSERT INTO routes (service_id, remote_service_id, priority, state)"
                " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::integer[], %s::text[])",
                _columns(plan.added),
            )
        except UniqueViolation as error:
            raise Conflict("One of these routes was added in this moment: send the file in again.") from error
    if plan.changed:
        await conn.execute(
            "UPDATE routes r SET priority = n.priority, state = n.state"
            " FROM unnest(%s::bigint[], %s::integer[], %s::text[]) AS n(id, priority, state) WHERE r.id = n.id",
            _columns(plan.changed),
        )
    for route_id in plan.resumed:
        await close_remote_service_of(conn, route_id)
    return len(plan.added) + len(plan.changed)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _line(
    number: int, cells: Mapping[str, str], facts: Mapping[str, Any], plan: RouteChanges, seen: set[tuple[int, int]]
) -> SheetRow:
    """Return what becomes of a line and note it in the plan; ValueError says what is wrong with it."""
    _check(facts)
    pair = (facts["service_id"], facts["remote_service_id"])
    if pair in seen:
        raise ValueError("This route was on an earlier line.")
    seen.add(pair)
    is_there = facts["route_id"] is not None
    priority = facts["priority"] if is_there else 100
    if cells["priority"]:
        priority = _whole(cells["priority"])
        if not cells["priority"].isdigit() or priority > MAX_PRIORITY:
            raise ValueError(f"A priority is 0 to {MAX_PRIORITY}.")
    state = cells["state"].lower() or (facts["state"] if is_there else "active")
    if state not in ("active", "paused"):
        raise ValueError("The state is active or paused.")
    what = f"{facts['service']} over {cells['supplier']} {cells['remote_id']}"
    before = f"{facts['priority']}, {facts['state']}" if is_there else "no route"
    after = f"{priority}, {state}"
    if before == after:
        return SheetRow(number, what, before, after, Verdict.SAME)
    if is_there:
        plan.changed.append((facts["route_id"], priority, state))
        if state == "active" and facts["state"] != "active":
            plan.resumed.append(facts["route_id"])
    else:
        plan.added.append((*pair, priority, state))
    return SheetRow(number, what, before, after, Verdict.CHANGE)


def _check(facts: Mapping[str, Any]) -> None:
    """Raise ValueError for a route that is not there and cannot be added."""
    troubles = (
        (facts["service_id"] is None, "There is no such service."),
        (facts["supplier_id"] is None, "There is no supplier of this name."),
        (facts["remote_service_id"] is None, "The supplier has no such service."),
        (facts["gone"] and facts["route_id"] is None, "The supplier no longer offers it."),
        (facts["no_rate"], "There is no exchange rate between the two currencies."),
    )
    for is_so, text in troubles:
        if is_so:
            raise ValueError(text)
