"""What several nouns of the staff API share: amounts, ids, texts, pages."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Generic, TypeVar

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from app.money import check_currency, parse_amount

MAX_ID = 2**63 - 1
DEFAULT_PAGE = 100
MAX_PAGE = 500


def storable(text: str) -> str:
    """Return ``text`` if Postgres can keep it; ValueError for NUL and halves of surrogate pairs."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("a character that cannot be kept")
    return text


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


class Body(BaseModel):
    """What a call takes; a name it does not know is an error, because it is most often a misspelt one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class FieldOut(BaseModel):
    """An extra input that a service of ours or theirs wants."""

    name: str
    type: str
    required: bool
    description: str
    options: list[str]
    pattern: str


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
