"""The audit finds what it promises to find: each test breaks one promise behind everybody's back and sees it named."""

import pytest

from app.audit.guards import PROMISE as GUARDS
from app.audit.guards import TABLES, TRIGGERS
from app.audit.promises import AuditResult
from app.audit.service import WORDS, audit
from app.db import Database
from app.sealing import Sealer
from tests.audit.lives import (
    COMPLETED,
    FAILED,
    IN_PART,
    PLACED,
    REFUSED,
    REVERSED,
    UNCLEAR,
    WAITING,
    shop_with_lives,
)

BALANCES = "every balance equals its transfers"
CURRENCY = "a transfer stays within one currency"
WAYS = "a transfer runs between the accounts of its kind"
ESCROW = "escrow equals the price of open orders"
ZERO = "all accounts of a currency sum to zero"
PRICE = "every price is a price"
CHARGED = "every order was charged once, its price, to its customer"
OUTCOME = "every order has exactly the outcome its state names"
GIVEN_BACK = "money goes back to the customer who paid"
DATES = "no transfer comes before its order, no outcome before its charge"
DELIVERED = "every completed order was delivered by exactly one attempt"
REFUNDED = "no order was delivered and refunded"
TWICE = "no order was bought twice, unless staff said so"
CLOSED = "no supplier is at work on a closed order, unless staff said so"
OPEN = "every open order has an attempt at work or waits for a person"
NAMED = "what a supplier has is known by their id"
ORDER_TOLD = "every order's state is that of its last event"
ATTEMPT_TOLD = "every attempt's state is that of its last event"
REMOTE_ID = "a supplier's id is that of one attempt"
WHOLE = "every transfer for an order has its order, and is the only one of its kind there"
ORPHAN = "every attempt has its order"
APPROVED = "what was approved is what was done"
REQUESTED = "a top-up request that was approved is one top-up of its customer"

_ANOTHER_CUSTOMER = """
WITH c AS (INSERT INTO customers (name, email, username, currency, state)
           SELECT 'Other', 'o@x.y', 'other', 'USD', state FROM customers LIMIT 1 RETURNING id)
INSERT INTO accounts (role, currency, customer_id) SELECT 'customer', 'USD', id FROM c;
"""
_OTHER = "(SELECT max(id) FROM accounts WHERE role = 'customer')"

# What breaks it, and exactly the promises that are then found broken: most lies contradict more than one truth.
BREAKS: dict[str, tuple[str, set[str]]] = {
    "a balance changed by hand": (
        "UPDATE accounts SET balance = balance + 1 WHERE role = 'customer'",
        {BALANCES, ZERO},
    ),
    "a transfer in another currency": ("UPDATE transfers SET currency = 'EUR' WHERE reference = 'first'", {CURRENCY}),
    "a top-up out of sales": (
        "UPDATE transfers SET debit_id = (SELECT id FROM accounts WHERE role = 'sales') WHERE kind = 'topup'",
        {WAYS},
    ),
    "an adjustment into funding": (
        "UPDATE transfers SET credit_id = (SELECT id FROM accounts WHERE role = 'funding') WHERE kind = 'adjust'",
        {WAYS},
    ),
    "a transfer of another kind": (
        "UPDATE transfers SET kind = 'adjust', reason = 'x' WHERE reference = 'first'",
        {WAYS},
    ),
    "an open order made dearer": (
        f"UPDATE orders SET price = price + 1 WHERE id = {WAITING}",
        {ESCROW, CHARGED},
    ),
    "a completed order made dearer": (
        f"UPDATE orders SET price = price + 1 WHERE id = {COMPLETED}",
        {CHARGED, OUTCOME},
    ),
    "an open order charged less, all the rest to match": (
        f"UPDATE transfers SET amount = amount - 1 WHERE order_id = {PLACED};"
        "UPDATE accounts SET balance = balance + 1 WHERE role = 'customer'",
        {ESCROW, CHARGED},
    ),
    "an order charged to another": (
        f"{_ANOTHER_CUSTOMER} UPDATE transfers SET debit_id = {_OTHER} WHERE kind = 'charge' AND order_id = {PLACED};"
        f"UPDATE accounts SET credit_limit = 2000000, balance = -2000000 WHERE id = {_OTHER};"
        "UPDATE accounts SET balance = balance + 2000000 WHERE id = (SELECT min(id) FROM accounts"
        " WHERE role = 'customer')",
        {CHARGED},
    ),
    "a refund given to another": (
        f"{_ANOTHER_CUSTOMER} UPDATE transfers SET credit_id = {_OTHER} WHERE kind = 'refund' AND order_id = {FAILED};"
        f"UPDATE accounts SET balance = 2000000 WHERE id = {_OTHER};"
        "UPDATE accounts SET balance = balance - 2000000 WHERE id = (SELECT min(id) FROM accounts"
        " WHERE role = 'customer')",
        {GIVEN_BACK},
    ),
    "a reversal given to another": (
        f"{_ANOTHER_CUSTOMER} UPDATE transfers SET credit_id = {_OTHER} WHERE kind = 'reverse';"
        f"UPDATE accounts SET balance = 2000000 WHERE id = {_OTHER};"
        "UPDATE accounts SET balance = balance - 2000000 WHERE id = (SELECT min(id) FROM accounts"
        " WHERE role = 'customer')",
        {GIVEN_BACK},
    ),
    "a refund that went missing": (
        f"DELETE FROM transfers WHERE kind = 'refund' AND order_id = {FAILED};"
        "UPDATE accounts SET balance = balance - 2000000 WHERE role = 'customer'",
        {OUTCOME, ESCROW},
    ),
    "too little settled of what came in part": (
        f"UPDATE transfers SET amount = amount - 1 WHERE kind = 'settle' AND order_id = {IN_PART}",
        {OUTCOME, ESCROW},
    ),
    "one piece more said to be delivered": (
        f"UPDATE orders SET delivered = delivered + 1 WHERE id = {IN_PART}",
        {OUTCOME},
    ),
    "a reversal of less than was settled": (
        "UPDATE transfers SET amount = amount - 1 WHERE kind = 'reverse';"
        "UPDATE accounts SET balance = balance - 1 WHERE role = 'customer'",
        {OUTCOME},
    ),
    "a transfer dated before its order": (
        "UPDATE transfers SET created_at = created_at - interval '1 hour'"
        f" WHERE kind = 'refund' AND order_id = {FAILED}",
        {DATES},
    ),
    "an outcome before its charge": (
        f"UPDATE transfers SET id = 1000 WHERE kind = 'charge' AND order_id = {COMPLETED}",
        {DATES},
    ),
    "a price that is not that of whole pieces": (
        f"UPDATE orders SET quantity = 7 WHERE id = {COMPLETED}",
        {PRICE},
    ),
    "an order in another currency": (f"UPDATE orders SET currency = 'EUR' WHERE id = {COMPLETED}", {PRICE}),
    "a delivery that never was": (f"DELETE FROM attempts WHERE order_id = {COMPLETED}", {DELIVERED}),
    "delivered twice": (
        "INSERT INTO attempts (order_id, number, route_id, supplier_id, remote_service_id, state, remote_id)"
        f" SELECT order_id, 2, route_id, supplier_id, remote_service_id, 'done', 'R99' FROM attempts"
        f" WHERE order_id = {COMPLETED};"
        "INSERT INTO order_events (order_id, attempt_id, kind, new_state, actor)"
        f" SELECT order_id, id, 'attempt', 'done', 'x' FROM attempts WHERE remote_id = 'R99'",
        {DELIVERED, TWICE},
    ),
    "delivered, but still open": (
        f"UPDATE attempts SET state = 'done' WHERE order_id = {PLACED};"
        "INSERT INTO order_events (order_id, attempt_id, kind, new_state, actor)"
        f" SELECT order_id, id, 'attempt', 'done', 'x' FROM attempts WHERE order_id = {PLACED}",
        {DELIVERED, OPEN},
    ),
    "delivered and refunded": (
        f"UPDATE attempts SET state = 'done' WHERE order_id = {FAILED};"
        "INSERT INTO order_events (order_id, attempt_id, kind, new_state, actor)"
        f" SELECT order_id, id, 'attempt', 'done', 'x' FROM attempts WHERE order_id = {FAILED}",
        {REFUNDED},
    ),
    "placed while another may be there": (
        "INSERT INTO attempts (order_id, number, route_id, supplier_id, remote_service_id, state, remote_id)"
        f" SELECT order_id, 2, route_id, supplier_id, remote_service_id, 'done', 'R99' FROM attempts"
        f" WHERE order_id = {UNCLEAR};"
        "INSERT INTO order_events (order_id, attempt_id, kind, new_state, actor)"
        f" SELECT order_id, id, 'attempt', 'done', 'x' FROM attempts WHERE remote_id = 'R99'",
        {DELIVERED, TWICE},
    ),
    "a closed order that a supplier may have": (
        f"UPDATE attempts SET state = 'unclear' WHERE order_id = {REFUSED};"
        "INSERT INTO order_events (order_id, attempt_id, kind, new_state, actor)"
        f" SELECT order_id, id, 'attempt', 'unclear', 'x' FROM attempts WHERE order_id = {REFUSED}",
        {CLOSED},
    ),
    "an open order that nobody works on": (
        f"DELETE FROM attempts WHERE order_id = {WAITING} AND state = 'prepared'",
        {OPEN},
    ),
    "an order whose story ends otherwise": (
        f"INSERT INTO order_events (order_id, kind, new_state, actor) VALUES ({PLACED}, 'order', 'rejected', 'x')",
        {ORDER_TOLD},
    ),
    "an order without a story": (
        f"DELETE FROM order_events WHERE order_id = {PLACED} AND attempt_id IS NULL",
        {ORDER_TOLD},
    ),
    "an attempt whose story ends otherwise": (
        f"UPDATE order_events SET new_state = 'failed' WHERE order_id = {COMPLETED} AND attempt_id IS NOT NULL",
        {ATTEMPT_TOLD},
    ),
    "an attempt without a story": (
        f"DELETE FROM order_events WHERE order_id = {UNCLEAR} AND attempt_id IS NOT NULL",
        {ATTEMPT_TOLD},
    ),
    "a transfer of no order": (
        f"UPDATE transfers SET order_id = 4711 WHERE order_id = {COMPLETED}",
        {WHOLE, CHARGED, OUTCOME},
    ),
    "an attempt of no order": (f"UPDATE attempts SET order_id = 4711 WHERE order_id = {REVERSED}", {ORPHAN}),
    "approved for more than was moved": ("UPDATE approvals SET amount = amount + 1 WHERE kind = 'topup'", {APPROVED}),
    "approved to give, but taken": ("UPDATE approvals SET amount = -amount WHERE kind = 'topup'", {APPROVED}),
    "approved under another reference": ("UPDATE approvals SET reference = 'other'", {APPROVED}),
    "approved for another": (
        f"{_ANOTHER_CUSTOMER} UPDATE approvals SET customer_id = (SELECT max(id) FROM customers)",
        {APPROVED},
    ),
    "approved by who asked": (
        "ALTER TABLE approvals DROP CONSTRAINT ck_approvals_four_eyes; UPDATE approvals SET decided_by = requested_by",
        {APPROVED, GUARDS},
    ),
    "approved, but nothing was done": (
        "ALTER TABLE approvals DROP CONSTRAINT ck_approvals_outcome; UPDATE approvals SET transfer_id = NULL",
        {APPROVED, GUARDS},
    ),
    "a top-up request approved for more than was credited": (
        "INSERT INTO topup_requests (customer_id, method_id, amount, credit, currency, sender, paid_on, state,"
        " credited, transfer_id, decided_by, decided_at)"
        " SELECT a.customer_id, 1, t.amount, t.amount, t.currency, 'x', now(), 'approved', t.amount + 1, t.id, 1, now()"
        " FROM transfers t JOIN accounts a ON a.id = t.credit_id WHERE t.reference = 'first'",
        {REQUESTED},
    ),
    "an attempt that a supplier has under no id": (
        "ALTER TABLE attempts DROP CONSTRAINT ck_attempts_has_remote_id;"
        f"UPDATE attempts SET remote_id = '' WHERE order_id = {PLACED}",
        {NAMED, GUARDS},
    ),
    "one id of a supplier for two attempts": (
        f"DROP INDEX uq_attempts_remote_id; UPDATE attempts SET remote_id = 'R5' WHERE order_id = {COMPLETED}",
        {REMOTE_ID, GUARDS},
    ),
    "charged twice, all the rest to match": (
        "DROP INDEX uq_transfers_charge;"
        "INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, order_id)"
        f" SELECT kind, debit_id, credit_id, amount, currency, order_id FROM transfers WHERE order_id = {PLACED};"
        "UPDATE accounts SET balance = balance - 2000000 WHERE role = 'customer'",
        {WHOLE, ESCROW, GUARDS},
    ),
    "a unique index that is not in force": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'uq_transfers_refund'::regclass",
        {GUARDS},
    ),
    "the covering of accounts not checked": ("ALTER TABLE accounts DROP CONSTRAINT ck_accounts_covered", {GUARDS}),
    "a check that holds only for new rows": (
        "ALTER TABLE orders DROP CONSTRAINT ck_orders_price;"
        "ALTER TABLE orders ADD CONSTRAINT ck_orders_price CHECK (price >= 0) NOT VALID",
        {GUARDS},
    ),
    "transfers that can be changed": ("DROP TRIGGER transfers_append_only ON transfers", {GUARDS}),
    "a guard that sleeps": ("ALTER TABLE orders DISABLE TRIGGER orders_guard_state", {GUARDS}),
    "a guard that only watches replicas": (
        "ALTER TABLE attempts ENABLE REPLICA TRIGGER attempts_guard_state",
        {GUARDS},
    ),
    "foreign keys that nobody keeps": ("ALTER TABLE transfers DISABLE TRIGGER ALL", {GUARDS}),
}


async def broken_by(db: Database, statements: str) -> AuditResult:
    """Run statements past all guards of the ledger and the orders, and return what the audit says then."""
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(statements)
    return await audit(db)


async def test_orders_in_every_state_are_sound(db: Database, sealer: Sealer) -> None:
    await shop_with_lives(db, sealer)
    result = await audit(db)
    assert result.ok, result.findings
    # The order that was not sent has two attempts; every order was charged, three have one outcome, two have two.
    assert (result.orders, result.attempts, result.transfers) == (9, 10, 3 + 9 + 3 + 2 * 2)
    assert result.breaks == {}
    async with db.pool.connection() as conn:
        orders = await (await conn.execute("SELECT DISTINCT state FROM orders")).fetchall()
        attempts = await (await conn.execute("SELECT DISTINCT state FROM attempts")).fetchall()
    assert len(orders) == 4
    assert len(attempts) == 8


@pytest.mark.parametrize("lie", BREAKS)
async def test_a_lie_is_found_and_named(db: Database, sealer: Sealer, lie: str) -> None:
    await shop_with_lives(db, sealer)
    statements, promises = BREAKS[lie]
    result = await broken_by(db, statements)
    assert {finding.promise for finding in result.findings} == promises, result.findings
    assert result.breaks.keys() == promises
    assert all(finding.subject and finding.detail for finding in result.findings)


def test_every_promise_has_a_test_that_breaks_it() -> None:
    assert set().union(*(promises for _, promises in BREAKS.values())) == set(WORDS)


async def test_a_broken_promise_is_counted_wholly_and_listed_in_part(db: Database, sealer: Sealer) -> None:
    await shop_with_lives(db, sealer)
    result = await broken_by(
        db,
        "INSERT INTO attempts (id, order_id, number, route_id, supplier_id, remote_service_id)"
        " OVERRIDING SYSTEM VALUE SELECT 1000 + n, 1000 + n, 1, 1, 1, 1 FROM generate_series(1, 250) n",
    )
    assert result.breaks == {ORPHAN: 250}
    assert [finding.subject for finding in result.findings] == [f"attempt {1000 + n}" for n in range(1, 101)]


TELLERS = {
    "accounts_act", "accounts_low_balance", "approvals_act", "order_events_act", "topup_requests_act", "transfers_act",
}  # fmt: skip
"""Triggers that write down or tell what happened, and hold nothing."""


async def test_all_triggers_of_the_money_are_among_the_guards(db: Database) -> None:
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT tgname AS name, relname AS on_table FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT tgisinternal AND relname = ANY (%s)",
            (list(TABLES),),
        )
        there = {row["name"]: row["on_table"] for row in await cursor.fetchall()}
    assert {name: table for name, table in there.items() if name not in TELLERS} == TRIGGERS
    assert set(there) >= TELLERS


async def test_one_connection_is_enough(db: Database, sealer: Sealer) -> None:
    await shop_with_lives(db, sealer)
    small = Database(db.conninfo, pool_size=1)
    await small.open()
    try:
        result = await audit(small)
    finally:
        await small.close()
    assert (result.ok, result.orders) == (True, 9)
