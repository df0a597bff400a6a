"""What calls about orders take and answer."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import (
    AfterValidator,
    BaseModel,
    Discriminator,
    Field,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
)
from pydantic import HttpUrl as Url

from app.db import MAX_ID
from app.errors import TrunklineError
from app.money import format_amount
from app.orders.hidden import open_fields
from app.orders.own import OwnOrder
from app.orders.placing import DuplicateOrder
from app.text import storable
from app.web.problems import status_of
from app.web.schemas import Body, Decimals, RowId, Timestamp

MAX_ORDERS = 500
MAX_FIELDS = 100

State = Literal["accepted", "in_progress", "completed", "rejected"]


def _callback(url: str) -> str:
    parsed = Url(url)
    if parsed.username or parsed.password:
        raise ValueError("an address with a user or a password in it")
    return url


def _service(value: object) -> object:
    if isinstance(value, str) and 1 <= len(value) <= 100:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_ID:
        return value
    raise ValueError("a service's id or code")


ServiceRef = Annotated[
    int | str,
    PlainValidator(_service),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_ID},
                {"type": "string", "minLength": 1, "maxLength": 100},
            ]
        }
    ),
]
FieldName = Annotated[str, StringConstraints(max_length=200)]


class FileIn(Body):
    """The file that a file service works on."""

    name: str = Field(min_length=1, max_length=200, examples=["certificate.cert"])
    content: str = Field(description="In base64.", examples=["UEsDBBQAAAAIAA=="])


class OrderIn(Body):
    """One order. `device` is the IMEI or serial number, `fields` are the extra inputs that the service asks for."""

    service: ServiceRef = Field(description="The service's id or code.", examples=[17])
    device: str = Field("", max_length=200, examples=["356557847079356"])
    fields: dict[FieldName, str] = Field(
        default_factory=dict, max_length=MAX_FIELDS, examples=[{"Email": "mary@example.com"}]
    )
    quantity: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Only for services that are sold by number; the smallest they sell, if left out."
    )
    reference: str = Field("", max_length=100, description="Your own; it is shown and can be searched for.")
    callback_url: Annotated[str, Field(max_length=2000), AfterValidator(_callback)] | None = Field(
        None,
        description="Told when the order is over: an http or https address.",
        examples=["https://bot.example/orders/done"],
    )
    file: FileIn | None = None


class OrdersIn(Body):
    """Many orders. Each is placed for itself, in their order."""

    orders: list[OrderIn] = Field(min_length=1, max_length=MAX_ORDERS)


def _form(value: object) -> str:
    many = "orders" in value if isinstance(value, dict) else isinstance(value, OrdersIn)
    return "<many>" if many else "<one>"


OrderBody = Annotated[
    Annotated[OrderIn, Tag("<one>")] | Annotated[OrdersIn, Tag("<many>")],
    Discriminator(_form),
]


class OrderIds(Body):
    """Which orders."""

    ids: list[RowId] = Field(min_length=1, max_length=MAX_ORDERS, examples=[[4711, 4712]])


class FileOut(BaseModel):
    """The file that came with a result; whoever has the address has the file."""

    name: str
    url: str


class OrderOut(BaseModel):
    """An order. Amounts are for all pieces; `refunded` is what came back of `price`.

    `accepted`: not with a supplier yet. `in_progress`: a supplier has it. `completed`: `result` is there. `rejected`:
    `reason` is there, and the money is back. Both are plain text, also where a supplier wrote HTML. A completed order
    is taken back, rejected, in rare cases.
    """

    id: int = Field(examples=[4711])
    state: State
    service_id: int
    service: str
    device: str
    quantity: int
    delivered: int | None = Field(description="How many pieces came, where that is fewer than were ordered.")
    price: Decimals
    refunded: Decimals
    currency: str
    fields: dict[str, str] = Field(description="What was given; secrets of yours are masked.")
    reference: str
    result: str | None
    reason: str | None
    file: FileOut | None
    callback_url: str | None
    source: str = Field(description="The door that it came by.", examples=["rest"])
    cancel_requested_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    closed_at: Timestamp | None


class OrderProblem(BaseModel):
    """Why a row has no order; the same codes as when it is ordered alone. Nothing was charged for it."""

    status: int = Field(examples=[402])
    code: str = Field(examples=["no_credit"])
    detail: str
    field: str | None = Field(None, examples=["orders.3.device"])
    order_id: int | None = None


class OrderRowOut(BaseModel):
    """What became of a row: `order` or `error`. `repeated`: the order was there before this call, and is not charged
    again."""

    order: OrderOut | None = None
    repeated: bool = False
    error: OrderProblem | None = None


class OrderRowsOut(BaseModel):
    """What became of each row, in their order."""

    items: list[OrderRowOut]


class OrdersFoundOut(BaseModel):
    """Those of the orders asked for that there are; ``unknown`` are not yours."""

    items: list[OrderOut]
    unknown: list[int]


def order_out(row: OwnOrder, file_link: Callable[[int, str], str]) -> OrderOut:
    """Return an order as the API shows it."""
    shown: dict[str, Any] = {name: getattr(row, name) for name in OrderOut.model_fields}
    return OrderOut(
        **{
            **shown,
            "price": format_amount(row.price),
            "refunded": format_amount(row.refunded),
            "fields": open_fields(row.fields),
            "file": None if row.file is None else FileOut(name=row.file, url=file_link(row.id, row.file)),
        }
    )


def problem_out(error: TrunklineError, place: int) -> OrderProblem:
    """Return why the row at ``place`` was refused."""
    return OrderProblem(
        status=status_of(error),
        code=error.code,
        detail=error.message,
        field=None if error.field is None else f"orders.{place}.{error.field}",
        order_id=error.order_id if isinstance(error, DuplicateOrder) else None,
    )


Text = Annotated[
    str | None, Query(min_length=1, max_length=200), AfterValidator(lambda v: None if v is None else storable(v))
]
