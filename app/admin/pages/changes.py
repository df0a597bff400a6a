"""Changes of suppliers' catalogues: before and after, what they do to our margins; approved, rejected, undone."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from app.admin.pages.decisions import PAGE, STATES, Decision, Many, add_decisions, state_of
from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.db import Connection
from app.money import format_amount
from app.suppliers import changes
from app.suppliers.changes import ChangeState

pages = Noun()

HERE = "/admin/changes"
_WORDS = {
    "cost": "cost", "name": "name", "group_name": "group", "type": "type", "time": "time", "info": "information",
    "fields": "fields", "min_quantity": "smallest quantity", "max_quantity": "largest quantity",
    "takes_quantity": "by quantity", "takes_serial": "by serial number", "opens": "opens", "closes": "closes",
}  # fmt: skip


@pages.page("/changes")
async def listed(visit: Visit) -> Response:
    """Those in one state: what waits from the oldest on, anything else from the newest."""
    state = state_of(visit)
    supplier_id, after = visit.asked_id("supplier"), visit.asked_id("after") or 0
    async with visit.parts.db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT s.id, s.name, count(c.id) AS waiting FROM suppliers s"
            " LEFT JOIN standing_changes c ON c.supplier_id = s.id AND c.state = 'waiting'"
            " GROUP BY s.id ORDER BY s.name"
        )
        suppliers = await cursor.fetchall()
        known = supplier_id if supplier_id in {row["id"] for row in suppliers} else None
        rows = await changes.list_changes(
            conn, known, state=ChangeState(state), after=after, newest_first=state != "waiting", limit=PAGE + 1
        )
    query = {"state": state, **({"supplier": str(known)} if known else {})}
    return await visit.page(
        "changes/list.html",
        rows=[(row, _words(row.old, row.currency), _words(row.new, row.currency)) for row in rows[:PAGE]],
        suppliers=[(row["id"], f"{row['name']}: {row['waiting']} waiting") for row in suppliers],
        supplier_id=known or "",
        state=state,
        states=[(one, one) for one in STATES],
        here=f"{HERE}?{urlencode(query)}",
        first=f"{HERE}?{urlencode(query)}" if after else None,
        more=f"{HERE}?{urlencode({**query, 'after': rows[PAGE - 1].id})}" if len(rows) > PAGE else None,
    )


def _of_each_supplier(decide: Callable[..., Awaitable[int]]) -> Many:
    """Return what decides on changes of several suppliers, whose rows are locked one after the other in one order."""

    async def many(conn: Connection, ids: Sequence[int], staff_id: int) -> int:
        cursor = await conn.execute(
            "SELECT supplier_id, array_agg(id) AS ids FROM catalog_changes WHERE id = ANY (%s) GROUP BY 1 ORDER BY 1",
            (list(ids),),
        )
        rows = await cursor.fetchall()
        return sum([await decide(conn, row["supplier_id"], row["ids"], staff_id=staff_id) for row in rows])

    return many


add_decisions(
    pages,
    "/changes",
    approve=Decision("approved", "Approved.", changes.approve, _of_each_supplier(changes.approve_many)),
    # Where a price rose, nothing is bought there.
    reject=Decision(
        "rejected",
        "Rejected: what we have stays, until the supplier says something else.",
        changes.reject,
        _of_each_supplier(changes.reject_many),
    ),
    undo=Decision("undone", "Undone: it is as it was before.", changes.undo),
)


def _words(columns: Mapping[str, Any], currency: str) -> list[str]:
    """Return what a change is about as people read it."""
    money = columns.get("currency") or currency
    said = []
    for name, value in columns.items():
        if name == "cost":
            said.append("cost unknown" if value is None else f"cost {format_amount(value)} {money}")
        elif name == "fields":
            named = ", ".join(f"{one['name'].strip()}{' (required)' if one.get('required') else ''}" for one in value)
            said.append(f"fields: {named or 'none'}")
        elif name in _WORDS and value not in (None, ""):
            said.append(f"{_WORDS[name]}: {str(value)[:300]}")
    return said
