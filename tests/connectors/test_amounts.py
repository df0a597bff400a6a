"""Suppliers' prices are read exactly or not at all; what can be read in two ways is not read."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.connectors._amounts import read_amount, read_currency


@pytest.mark.parametrize(
    ("value", "currency", "micro"),
    [
        ("12.5", "", 12_500_000),
        ("0.0480", "USD", 48_000),
        ("1.000", "USD", 1_000_000),
        ("0.850", "IDR", 850_000),
        (7, "", 7_000_000),
        (Decimal("0.015"), "", 15_000),
        (Decimal("1E+2"), "", 100_000_000),
        ("1.5e-3", "", 1_500),
        ("1,234.50", "", 1_234_500_000),
        ("1.234,50", "", 1_234_500_000),
        ("1.000.000", "", 1_000_000_000_000),
        ("1,000,000", "", 1_000_000_000_000),
        ("1'234.50", "", 1_234_500_000),
        ("$61,195.601 ", "USD", 61_195_601_000),
        ("12.5 USD", "", 12_500_000),
        ("USD 12.5", "", 12_500_000),
        ("US$12.50", "", 12_500_000),
        ("€ 3,5", "EUR", 3_500_000),
        ("12,50", "", 12_500_000),
        ("50.000", "IDR", 50_000_000_000),
        ("50,000", "IDR", 50_000_000_000),
        ("Rp 50.000", "IDR", 50_000_000_000),
        ("0.0000001", "", 1),  # rounded up, never down to a gift
        (" 2 ", "", 2_000_000),
        ("0", "", 0),
    ],
)
def test_amounts_are_read_exactly(value: object, currency: str, micro: int) -> None:
    assert read_amount(value, currency) == micro


@pytest.mark.parametrize(
    "value",
    [
        "1,234",  # a thousand, or one and a bit
        "61,195",
        "-1",
        Decimal(-1),
        "",
        " ",
        "free",
        "1.2.3",
        "1,23.456",
        "12,34,567",
        "1..2",
        "--5",
        "1e99",
        "9" * 30,
        "NaN",
        "Infinity",
        Decimal("NaN"),
        Decimal("Infinity"),
        None,
        True,
        False,
        [],
        {},
        "1" * 100,
        "0x10",
        "١٢",  # digits, but not ours
    ],
)
def test_what_is_no_amount_or_is_two_is_not_read(value: object) -> None:
    assert read_amount(value) is None


def test_a_balance_may_be_negative_and_a_cost_not() -> None:
    assert read_amount("-5.20", signed=True) == -5_200_000
    assert read_amount("-5.20") is None


@settings(deadline=None)
@given(st.decimals(min_value=0, max_value=10**9, places=6, allow_nan=False))
def test_plain_decimals_come_back_exactly(value: Decimal) -> None:
    assert read_amount(f"{value:f}") == int(value * 1_000_000)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=80), st.text(alphabet="0123456789.,-+eE $€USD'", max_size=30)), st.booleans())
def test_any_text_is_an_amount_or_none(text: str, signed: bool) -> None:
    amount = read_amount(text, signed=signed)
    assert amount is None or signed or amount >= 0


@pytest.mark.parametrize(
    ("texts", "currency"),
    [
        (["USD"], "USD"),
        (["usd"], "USD"),
        ([None, "12.5 EUR"], "EUR"),
        (["US$"], "USD"),
        (["€ 12"], "EUR"),
        (["$12"], ""),
        ([""], ""),
        ([None, 5], ""),
        (["Credits"], ""),
    ],
)
def test_currencies_are_named_or_unknown(texts: list[object], currency: str) -> None:
    assert read_currency(*texts) == currency
