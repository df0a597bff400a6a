"""What several nouns of the staff API share."""

from pydantic import BaseModel

from app.db import MAX_ID
from app.text import storable
from app.web.schemas import (
    DEFAULT_PAGE,
    MAX_PAGE,
    Amount,
    Body,
    Currency,
    Cursor,
    Decimals,
    Deleted,
    Listing,
    Page,
    PageSize,
    PathId,
    Row,
    RowId,
    Search,
)

__all__ = [
    "DEFAULT_PAGE",
    "MAX_ID",
    "MAX_PAGE",
    "Amount",
    "Body",
    "Currency",
    "Cursor",
    "Decimals",
    "Deleted",
    "FieldOut",
    "Listing",
    "Page",
    "PageSize",
    "PathId",
    "Row",
    "RowId",
    "Search",
    "storable",
]


class FieldOut(BaseModel):
    """An extra input that a service of ours or theirs wants."""

    name: str
    type: str
    required: bool
    description: str
    options: list[str]
    pattern: str
