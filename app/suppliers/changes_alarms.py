"""What of a reading a person should hear: services that vanished under a route, prices that left nothing."""

from app.alarms.service import Alarming, AlarmKind, end_alarms, raise_all
from app.db import Connection

_MOVED = """
SELECT m.id, m.name, l.name AS supplier, f.kind, l.missing_limit
FROM found f
JOIN remote_services m ON m.id = f.remote_service_id
JOIN suppliers l ON l.id = m.supplier_id
WHERE f.auto AND f.kind IN ('removed', 'back') AND EXISTS (SELECT FROM routes r WHERE r.remote_service_id = m.id)
"""

# What they ask now, agreed to or not, against what we sell it for: of prices that changed, and of those that there is
# an alarm about, because we may have raised our own.
_PRICES = """
SELECT m.id, m.name, l.name AS supplier,
       string_agg(DISTINCT v.name, ', ') FILTER (
           WHERE convert_up(asked.cost, asked.currency, v.currency) > lowest_price(v.id)) AS below
FROM suppliers l
JOIN remote_services m ON m.supplier_id = l.id
JOIN routes r ON r.remote_service_id = m.id
JOIN services v ON v.id = r.service_id
LEFT JOIN standing_changes c ON c.remote_service_id = m.id AND c.kind = 'price'
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.id IS NULL THEN m.cost ELSE (c.new ->> 'cost')::bigint END AS cost,
           COALESCE(NULLIF(CASE WHEN c.id IS NULL THEN m.currency ELSE c.new ->> 'currency' END, ''), l.currency)::text
               AS currency
) asked
WHERE l.id = %(supplier)s AND (
    m.id IN (SELECT remote_service_id FROM found WHERE kind = 'price')
    OR 'remote service ' || m.id IN (SELECT subject FROM alarms WHERE kind = %(kind)s AND state <> 'closed'))
GROUP BY m.id, m.name, l.name
ORDER BY m.id
"""

_ALARMED = "SELECT subject FROM alarms WHERE kind = ANY (%s) AND state <> 'closed'"


async def tell(conn: Connection, supplier_id: int, *, believed: bool = False) -> None:
    """Raise the alarms that what was found calls for and end those that are over: the last thing before the commit.

    ``believed`` says that staff took the list as it is.
    """
    raised, over = [], []
    for row in await (await conn.execute(_MOVED)).fetchall():
        if row["kind"] == "back":
            over.append((AlarmKind.SERVICE_VANISHED, _about(row["id"])))
            continue
        why = "staff took the list as it is" if believed else f"{row['missing_limit']} readings in a row lacked it"
        text = f"{row['supplier']} no longer lists {row['name']}; {why}."
        raised.append(Alarming(AlarmKind.SERVICE_VANISHED, _about(row["id"]), text))
    cursor = await conn.execute(_PRICES, {"supplier": supplier_id, "kind": AlarmKind.PRICE_ABOVE_MARGIN})
    for row in await cursor.fetchall():
        if row["below"] is None:
            over.append((AlarmKind.PRICE_ABOVE_MARGIN, _about(row["id"])))
            continue
        text = f"{row['supplier']} asks more for {row['name']} than somebody pays us for {row['below']}."
        raised.append(Alarming(AlarmKind.PRICE_ABOVE_MARGIN, _about(row["id"]), text))
    if over:
        cursor = await conn.execute(_ALARMED, ([kind for kind, _ in over],))
        live = {row["subject"] for row in await cursor.fetchall()}
        for kind, subject in sorted(over):
            if subject in live:
                await end_alarms(conn, [kind], subject)
    await raise_all(conn, raised)


def _about(remote_service_id: int) -> str:
    return f"remote service {remote_service_id}"
