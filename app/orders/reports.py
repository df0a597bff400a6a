"""From a supplier's word on a placed attempt to what is written, with the other routes looked up where they matter."""

from app.connectors.base import Report
from app.db import Connection
from app.orders import policy
from app.orders.attempts import ClaimedPoll, Postponed, Write
from app.suppliers.service import route_facts


async def report_of(
    conn: Connection, poll: ClaimedPoll, report: Report, *, report_exchange: int | None = None
) -> Write | Postponed:
    """Decide what is written after a report; see ``policy.after_report``."""
    if not policy.may_be_tried_elsewhere(poll, report):
        return policy.after_report(poll, report, report_exchange=report_exchange)
    row = await (await conn.execute("SELECT refused_routes(%s) AS ids", (poll.order_id,))).fetchone()
    refused = set(row["ids"]) if row else set()
    key = (poll.service_id, poll.currency)
    others = [route for route in (await route_facts(conn, [key]))[key] if route.route_id not in refused]
    return policy.after_report(poll, report, report_exchange=report_exchange, others=others)
