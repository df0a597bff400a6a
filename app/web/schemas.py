"""How values look on the wire of every JSON door: amounts, ids, texts, pages."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from app.db import MAX_ID
from app.money import check_currency, parse_amount
from app.text import storable

DEFAULT_PAGE = 100
MAX_PAGE = 500


def _amount(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError('an amount is a decimal string such as "12.50"')
    return parse_amount(value)


Amount = Annotated[
    int,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": r"^-?\d+(\.\d{1,6})?$"}, {"type": "number"}],
            "description": "A decimal string with at most six places; a JSON number is taken by its digits.",
            "examples": ["12.50"],
        }
    ),
]
"""Money as it comes in: micro-units in the program, a decimal string on the wire."""

Decimals = Annotated[str, Field(examples=["12.50"], description="A decimal string.")]
"""Money as it goes out."""

Currency = Annotated[str, AfterValidator(check_currency), Field(examples=["USD"])]
RowId = Annotated[int, Field(ge=1, le=MAX_ID, examples=[1])]
PathId = Annotated[int, Path(ge=1, le=MAX_ID)]
Search = Annotated[str, Query(max_length=200), AfterValidator(storable)]
Cursor = Annotated[int | None, Query(ge=1, le=MAX_ID, description="The `next_cursor` of the page before.")]
PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many rows a page has, at most.")]


def _moment(value: object) -> object:
    """Read a date as its first moment in UTC; of a time without a zone nobody knows which moment it is."""
    if not isinstance(value, str):
        return value
    try:
        read = datetime.combine(date.fromisoformat(value), time(), UTC) if len(value) == 10 else None
        read = read or datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("a date such as 2026-11-30, or a time with its zone") from error
    if read.tzinfo is None:
        raise ValueError("a time needs its zone, such as 2026-11-30T12:00:00Z")
    return read


Moment = Annotated[
    datetime | None,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "examples": ["2026-11-01", "2026-11-30T12:00:00Z"]}),
]
"""A moment as it comes in."""


Timestamp = Annotated[datetime, AfterValidator(lambda at: at.astimezone(UTC)), Field(examples=["2026-11-30T12:00:00Z"])]
"""A moment as it goes out: RFC 3339, in UTC."""


class Body(BaseModel):
    """What a call takes; a name it does not know is an error, because it is most often a misspelt one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def said(body: Body) -> dict[str, Any]:
    """Return what a body says, in JSON's values: what was left out is left out, also what a later version may add."""
    return body.model_dump(mode="json", exclude_defaults=True)


class Row(BaseModel):
    """What a page is made of, in order of id."""

    id: int


ItemT = TypeVar("ItemT")
RowT = TypeVar("RowT", bound=Row)


class Listing(BaseModel, Generic[ItemT]):
    """All of them."""

    items: list[ItemT]


class Page(BaseModel, Generic[RowT]):
    """Some of them; ``next_cursor`` asks for those that follow, and is null at the end."""

    items: list[RowT]
    next_cursor: str | None

    @classmethod
    def of(cls, found: Sequence[RowT], limit: int) -> "Page[RowT]":
        """Return the first ``limit`` of the rows; one more that was found says that there are others."""
        items = list(found[:limit])
        return cls(items=items, next_cursor=str(items[-1].id) if len(found) > limit else None)


class Deleted(BaseModel):
    """The thing is gone."""

    deleted: bool = True
