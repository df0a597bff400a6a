"""No door moves money by hand but through the one that knows when two people are needed."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ACTS = re.compile(r"\b(?:ledger\.(?:topup|adjust|set_credit_limit)|reverse_order)\(")


def test_only_the_approvals_call_what_moves_money_by_hand() -> None:
    files = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "app").rglob("*.py")}
    callers = {name for name, text in files.items() if ACTS.search(text)}
    assert callers == {"app/approvals/asking.py", "app/approvals/service.py", "app/orders/resolution.py"}
    imported = re.compile(r"from app\.ledger\.service import [^\n]*\b(topup|adjust|set_credit_limit)\b")
    assert {name for name, text in files.items() if imported.search(text)} == set()
