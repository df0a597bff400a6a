"""Where money is, there is no float: not in the code, not in the schema, not in the functions of the database."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db import Database

ROOT = Path(__file__).parents[2]
MONEY = [
    ROOT / "app/money.py",
    *(ROOT / "app/ledger").glob("*.py"),
    *(ROOT / "app/catalog").glob("*.py"),
    *(ROOT / "app/orders").glob("*.py"),
    *(ROOT / "app/approvals").glob("*.py"),
    *(ROOT / "app/profit").glob("*.py"),
]
TIME = re.compile(r"seconds|\bdue\b|next_due|_hold|\bage\b", re.IGNORECASE)
"""Seconds may have parts. What holds them says so by its name."""


def floats(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each statement or argument that holds a float for anything but time, or a true division."""
    tree = ast.parse(source)
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for node in ast.walk(tree):
        is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_word = isinstance(node, ast.Name) and node.id == "float"
        is_division = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
        if not (is_float or is_word or is_division):
            continue
        holder: ast.AST = node
        while not isinstance(holder, ast.stmt | ast.arg):
            holder = parents[holder]
        if isinstance(holder, ast.FunctionDef | ast.AsyncFunctionDef):
            name = holder.name  # the annotation of what it returns
        else:
            around: ast.AST = holder
            while around in parents and not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
                around = parents[around]
            name = ast.unparse(holder) + " " + getattr(around, "name", "")
        if is_division or not TIME.search(name):
            yield holder.lineno, ast.unparse(holder)


@pytest.mark.parametrize("file", MONEY, ids=lambda file: str(file.relative_to(ROOT)))
def test_pain_12_no_float_is_where_money_is(file: Path) -> None:
    assert list(floats(file.read_text())) == []


@pytest.mark.parametrize(
    "source",
    ["price = cost * 1.1", "def f(price: float) -> int: ...", "x = float(price)", "share = price / 3", "price /= 2",
     "def price() -> float: ...", "due = price / 2"],
)  # fmt: skip
def test_the_rule_finds_floats(source: str) -> None:
    assert list(floats(source))


def test_the_rule_lets_time_pass() -> None:
    assert not list(
        floats("HOLD_SECONDS = 30.0\nasync def claim(lease_seconds: float) -> None: ...\nhalf = price // 2")
    )


async def test_pain_12_the_database_keeps_money_in_whole_numbers(db: Database) -> None:
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT table_name || '.' || column_name AS name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_name ~"
            " '(^|_)(price|cost|amount|balance|credit|limit|charge|refund|fixed|spent|paid|deposits|expected|told)$'"
        )
        kinds = {row["name"]: row["data_type"] for row in await cursor.fetchall()}
        cursor = await conn.execute(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND (proname LIKE 'ledger%' OR proname IN ('move_orders', 'place_orders', 'price_for'))"
        )
        bodies = {row["proname"]: row["prosrc"] for row in await cursor.fetchall()}
    wrong = {name: kind for name, kind in kinds.items() if kind in ("real", "double precision", "money", "numeric")}
    assert wrong == {}
    for name in ("accounts.balance", "transfers.amount", "orders.price", "services.price", "remote_services.cost"):
        assert kinds[name] == "bigint"
    assert len(bodies) >= 6
    for name, body in bodies.items():
        assert not re.search(r"\b(real|double precision|float[48]?|numeric|round)\b", body), name
