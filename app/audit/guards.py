"""Proves that what keeps the promises is in place: constraints, unique indexes and triggers, present and in force.

A database that was restored in parts, repaired in a hurry or migrated by hand may hold true books and no longer keep
them true. What is expected is read from the models, which the migrations are tested to equal.
"""

from typing import cast

from sqlalchemy import PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from app.approvals.tables import Approval
from app.audit.promises import MAX_FINDINGS, Breaks, Broken, Finding
from app.db import Connection
from app.ledger.tables import Account, Transfer
from app.orders.tables import Attempt, Order, OrderEvent
from app.topups.tables import TopupRequest

PROMISE = "the guards of the money are in place"

TABLES = {
    model.__tablename__: cast("Table", model.__table__)
    for model in (Account, Transfer, Order, Attempt, OrderEvent, Approval, TopupRequest)
}

TRIGGERS = {
    "transfers_append_only": "transfers",
    "transfers_no_truncate": "transfers",
    "transfers_outcome": "transfers",
    "orders_guard_state": "orders",
    "attempts_guard_state": "attempts",
    "approvals_state": "approvals",
    "approvals_topup_request": "approvals",
    "topup_requests_state": "topup_requests",
}
"""Triggers are no part of the models: by name, the table that each stands on."""

_CONSTRAINTS = """
SELECT c.conname AS name, c.convalidated AND COALESCE((to_jsonb(c) ->> 'conenforced')::boolean, true) AS in_force
FROM pg_constraint c WHERE c.conrelid = ANY (%s::regclass[])
"""
_INDEXES = """
SELECT c.relname AS name, i.indisunique AND i.indisvalid AND i.indisready AND i.indislive AS in_force
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY (%s::regclass[])
"""
# Foreign keys are kept by triggers that Postgres makes itself; those are named after the key.
_TRIGGERS = """
SELECT COALESCE(c.conname, t.tgname) AS name, bool_and(t.tgenabled IN ('O', 'A')) AS in_force
FROM pg_trigger t LEFT JOIN pg_constraint c ON c.oid = t.tgconstraint
WHERE t.tgrelid = ANY (%s::regclass[]) GROUP BY 1
"""


def expected() -> tuple[dict[str, str], dict[str, str]]:
    """Return the names of the constraints and of the unique indexes of the money's tables, each with its table."""
    # SQLAlchemy leaves the making of a dialect untyped.
    name_of = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]
    constraints: dict[str, str] = {}
    indexes: dict[str, str] = {}
    for table in TABLES.values():
        for constraint in table.constraints:
            name = str(name_of.format_constraint(constraint))
            constraints[name] = table.name
            if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
                indexes[name] = table.name
        indexes |= {str(name_of.format_index(index)): table.name for index in table.indexes if index.unique}
    return constraints, indexes


async def prove_guards(conn: Connection) -> Broken:
    """Return the guards that are missing or not in force."""
    constraints, indexes = expected()
    wanted = (
        ("constraint", constraints, await _in_force(conn, _CONSTRAINTS)),
        ("unique index", indexes, await _in_force(conn, _INDEXES)),
        ("trigger", TRIGGERS, triggers := await _in_force(conn, _TRIGGERS)),
        # Its own triggers may be switched off while a foreign key is there.
        ("foreign key", {name: table for name, table in constraints.items() if name in triggers}, triggers),
    )
    findings = [
        Finding(PROMISE, f"{what} {name}", f"on {table}: {'not in force' if name in there else 'missing'}")
        for what, names, there in wanted
        for name, table in names.items()
        if not there.get(name)
    ]
    return {PROMISE: Breaks(len(findings), findings[:MAX_FINDINGS])} if findings else {}


async def _in_force(conn: Connection, query: str) -> dict[str, bool]:
    rows = await (await conn.execute(query, (list(TABLES),))).fetchall()
    return {row["name"]: row["in_force"] for row in rows}
