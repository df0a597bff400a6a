"""The states in Python and the moves the database lets through are the same tables, and few may write them."""

import re
from pathlib import Path

from app.db import Database
from app.orders.states import ATTEMPT_MOVES, ORDER_MOVES, AttemptState, OrderState

ROOT = Path(__file__).parents[2]


async def test_the_database_allows_exactly_the_moves_of_the_tables(db: Database) -> None:
    async with db.pool.connection() as conn:
        for old in OrderState:
            for new in OrderState:
                row = await (await conn.execute("SELECT order_move_is_legal(%s, %s) AS legal", (old, new))).fetchone()
                assert row == {"legal": new in ORDER_MOVES[old]}, (old, new)
        for before in AttemptState:
            for after in AttemptState:
                answer = await conn.execute("SELECT attempt_move_is_legal(%s, %s) AS legal", (before, after))
                assert await answer.fetchone() == {"legal": after in ATTEMPT_MOVES[before]}, (before, after)


def sources() -> dict[str, str]:
    """Everything that could hold SQL on our database; the simulator, a supplier, has one of its own."""
    files = [*ROOT.glob("app/**/*.py"), *ROOT.glob("migrations/sql/*.sql")]
    names = {str(file.relative_to(ROOT)): file for file in files}
    return {name: file.read_text() for name, file in names.items() if not name.startswith("app/simulator/")}


def writers(table: str) -> set[str]:
    """The files in which a table is written."""
    pattern = re.compile(rf"\b(UPDATE|INSERT INTO|DELETE FROM)\s+{table}\b")
    return {name for name, text in sources().items() if pattern.search(text)}


def test_only_the_ledger_moves_money() -> None:
    functions = {f"migrations/sql/{name}.sql" for name in ("0001_ledger", "0009_ledger", "0010_money", "0016_debts")}
    assert writers("transfers") == functions
    assert writers("accounts") == functions | {"app/ledger/service.py"}
    # The service's one write is the credit limit; balances are the functions' alone.
    assert "SET balance" not in (ROOT / "app/ledger/service.py").read_text()


def test_only_the_order_functions_change_orders_and_attempts() -> None:
    placing = {
        f"migrations/sql/{name}.sql" for name in ("0001_orders", "0009_orders", "0019_orders", "0023_orders_once")
    }
    assert writers("orders") == placing | {"migrations/sql/0021_webhooks.sql"}  # the newest form of move_orders
    # 0006 and 0025 let an order be asked after now, and change nothing else.
    asking = {"migrations/sql/0006_asking.sql", "migrations/sql/0025_orders_at_work.sql"}
    assert writers("attempts") == placing | asking | {"migrations/sql/0009_attempts.sql"}


async def test_one_function_changes_an_orders_state(db: Database) -> None:
    async with db.pool.connection() as conn:
        cursor = await conn.execute("SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        bodies = {row["proname"]: row["prosrc"] for row in await cursor.fetchall()}
    update = re.compile(r"UPDATE orders\b.*?(?:WHERE|FROM)", re.DOTALL)
    movers = {
        name for name, body in bodies.items() if any(re.search(r"\bstate\s*=", found) for found in update.findall(body))
    }
    assert movers == {"move_orders"}
