"""Which order each row of a bulk status call names; the short way for plain ids gives what the long way gives."""

from typing import Any

import pytest

from app.api.dhru.inputs import bulk_orders


@pytest.mark.parametrize(
    ("row", "order"),
    [
        ({"ID": "7"}, 7),
        ({"ID": " 7 "}, 7),
        ({"ID": 7}, 7),
        ({"id": "7"}, 7),
        ({"ID": "", "ORDERID": "7"}, 7),
        ({"ID": "7", "IMEI": "356557847079356"}, 7),
        ({"ID": "9" * 19}, 9_999_999_999_999_999_999),
        ({"ID": "9" * 20}, None),
        ({"ID": ""}, None),
        ({"ID": "seven"}, None),
        ({"ID": "-7"}, None),
        ({"ID": "1_0"}, None),
        ({"ID": "\u0667"}, None),
        ({"ID": True}, None),
        ({"ID": None}, None),
        ({"ID": ["7"]}, None),
        ({}, None),
    ],
)
def test_a_row_is_read_alike_among_plain_ones_and_others(row: dict[str, Any], order: int | None) -> None:
    plain = {"a": {"ID": "1"}, "b": {"ID": "22"}}
    other = {"c": {"IMEI": "x", "ID": "333"}}
    expected = [("a", 1), ("b", 22), ("row", order)]
    assert bulk_orders({**plain, "row": row}, {}, limit=10) == expected
    assert bulk_orders({**plain, "row": row, **other}, {}, limit=10) == [*expected, ("c", 333)]
