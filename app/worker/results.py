"""Keeps the file that came with a result beside its order."""

from dataclasses import replace

from app.connectors.base import Report
from app.db import Connection
from app.orders.attempts import Write
from app.orders.files import store_file
from app.orders.states import OrderState


async def with_file(conn: Connection, write: Write, report: Report | None) -> Write:
    """Return ``write`` with the report's file stored, if it completes its order with one."""
    if report is None or report.file is None or write.order_to is not OrderState.COMPLETED:
        return write
    return replace(write, result_file=await store_file(conn, report.file))
