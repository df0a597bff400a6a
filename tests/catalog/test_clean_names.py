"""What becomes of suppliers' names when they are cleaned."""

import time
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.clean_names import RULES, clean_name

NAMES = {
    "🔥 iPhone Carrier Check ✅ [VIP] - $0.09": "iPhone Carrier Check",
    "#101 - Samsung Info (Clean) 1-24 Hours": "Samsung Info (Clean)",
    "【HOT】Xiaomi Mi Account — 2.50 USD (Instant)": "Xiaomi Mi Account",
    "1024 | AT&T USA iPhone 6/7/8 ★": "AT&T USA iPhone 6/7/8",
    "Unlock Tool 12 Months Activation": "Unlock Tool 12 Months Activation",
    "Credits {tag} 3 credits": "Credits",
    "GSX™ Report 5G": "GSX™ Report 5G",
    "Moto 24h": "Moto",
    "  two   blanks ": "two blanks",
    "[ONLY A TAG]": "[ONLY A TAG]",
}


@pytest.mark.parametrize(("theirs", "ours"), NAMES.items())
def test_names_are_cleaned(theirs: str, ours: str) -> None:
    assert clean_name(theirs, RULES) == ours


def test_only_the_chosen_rules_are_used() -> None:
    assert clean_name("🔥 Check [VIP] $1", ["emoji"]) == "Check [VIP] $1"
    assert clean_name("🔥 Check [VIP] $1", []) == "🔥 Check [VIP] $1"


@given(st.text(min_size=1, max_size=60), st.sets(st.sampled_from(sorted(RULES))))
def test_a_name_stays_a_name_and_is_clean_already(name: str, rules: set[str]) -> None:
    cleaned = clean_name(name, rules)
    assert bool(cleaned) == bool(name.strip())
    assert cleaned == cleaned.strip()
    assert len(cleaned) <= len(name)


@pytest.mark.parametrize("piece", ["1", " ", "1 ", "(1 ", "$1", "[a", "1-", "1 h "])
@pytest.mark.parametrize("rules", [RULES, ["times"], ["prices"]])
def test_a_name_without_measure_keeps_nobody_waiting(piece: str, rules: Collection[str]) -> None:
    started = time.process_time()
    assert len(clean_name(f"Tool {piece * 50_000}x", rules)) <= 1000
    assert time.process_time() - started < 1
