"""``/topups``: how to pay in, and what was said to have been paid."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app.api.v1.bodies import ExactRoute
from app.api.v1.deps import Parts, TopupsCreator, Transaction
from app.api.v1.responses import WITH_BODY
from app.customers.once import once
from app.errors import Forbidden
from app.money import format_amount
from app.topups import offers, requests
from app.topups.offers import Method, Package
from app.topups.requests import Payment, TopupRow, TopupState
from app.web.problems import described
from app.web.schemas import DEFAULT_PAGE, Amount, Body, Cursor, Decimals, PageSize, RowId, Timestamp, said

router = APIRouter(prefix="/topups", tags=["money"], route_class=ExactRoute)


class MethodOut(BaseModel):
    """A way to pay in. `fee_percent` is kept of what is paid, so that less is credited."""

    id: int
    name: str = Field(examples=["Bank transfer"])
    instructions: str
    min_amount: Decimals
    max_amount: Decimals | None
    fee_percent: str = Field(examples=["2.9"])
    currency: str


class PackageOut(BaseModel):
    """A fixed offer: who pays `pay` is credited `credit`, whatever the method's fee."""

    id: int
    name: str
    pay: Decimals
    credit: Decimals
    currency: str


class TopupOut(BaseModel):
    """What you said to have paid, and what became of it.

    `credit` is due if it arrives so, `credited` is what was given. `reason` says why a request was refused.
    """

    id: int
    state: TopupState
    method: str
    package: str | None
    amount: Decimals
    credit: Decimals
    credited: Decimals | None
    currency: str
    sender: str
    paid_on: date
    note: str
    reason: str
    created_at: Timestamp
    decided_at: Timestamp | None


class TopupsOut(BaseModel):
    """How to pay in, and your requests, newest first; ``next_cursor`` asks for those that follow."""

    methods: list[MethodOut]
    packages: list[PackageOut]
    items: list[TopupOut]
    next_cursor: str | None


class TopupIn(Body):
    """What you have paid: an amount by a method, or a package, which says how much."""

    method_id: RowId
    package_id: RowId | None = None
    amount: Amount | None = None
    sender: str = Field(max_length=200, description="The name or account that paid.", examples=["Mobile Fix Ltd"])
    paid_on: date
    note: str = Field("", max_length=2000, description="A transaction's number, the text of a receipt.")


_RESPONSES: dict[int | str, dict[str, Any]] = {
    **WITH_BODY,
    **described(
        {
            403: "The key may not do this (`scope_missing`), or not from this address (`address_refused`), or is of the"
            " sandbox, where nothing costs anything (`forbidden`).",
            404: "There is no such method or package: `not_found`; `field` names which.",
            409: f"{requests.MAX_WAITING} requests wait already: `too_many_waiting`.",
            422: "The input breaks a rule (`invalid`), or `idempotency_key_reused`.",
        }
    ),
}


@router.get("", summary="How to pay in, and your requests")
async def list_topups(
    caller: TopupsCreator, conn: Transaction, cursor: Cursor = None, limit: PageSize = DEFAULT_PAGE
) -> TopupsOut:
    """The methods and packages of your account's currency."""
    methods = await offers.list_methods(conn, currency=caller.currency, active=True)
    packages = await offers.list_packages(conn, currency=caller.currency, active=True)
    rows = await requests.list_requests(conn, customer_id=caller.customer_id, before=cursor, limit=limit + 1)
    items = [_out(row) for row in rows[:limit]]
    return TopupsOut(
        methods=[_method(row) for row in methods],
        packages=[_package(row) for row in packages],
        items=items,
        next_cursor=str(items[-1].id) if len(rows) > limit else None,
    )


@router.post("", summary="Say that you have paid", status_code=201, response_model=TopupOut, responses=_RESPONSES)
async def request_topup(
    caller: TopupsCreator,
    parts: Parts,
    body: TopupIn,
    idempotency_key: Annotated[
        str | None,
        Header(alias="Idempotency-Key", description="The same call sent again with it within 24 hours asks once."),
    ] = None,
) -> JSONResponse:
    """Staff look whether it arrived, and credit what did."""
    if caller.sandbox:
        raise Forbidden("A sandbox key costs nothing and needs no credit.")
    call = None if idempotency_key is None else once(idempotency_key, "topups", said(body))
    payment = Payment(body.method_id, body.amount, body.sender, body.paid_on, body.note, body.package_id)
    async with parts.db.transaction() as conn:
        asked = await requests.request_topup(conn, caller.customer_id, payment, call=call)
    headers = {"Idempotent-Replayed": "true"} if asked.again else {}
    return JSONResponse(_out(asked.request).model_dump(mode="json"), 201, headers)


def _out(row: TopupRow) -> TopupOut:
    amounts = {"amount": row.amount, "credit": row.credit, "credited": row.credited}
    shown: dict[str, Any] = {name: getattr(row, name) for name in TopupOut.model_fields}
    return TopupOut(**{**shown, **{name: None if it is None else format_amount(it) for name, it in amounts.items()}})


def _method(row: Method) -> MethodOut:
    return MethodOut(
        id=row.id,
        name=row.name,
        instructions=row.instructions,
        min_amount=format_amount(row.min_amount),
        max_amount=None if row.max_amount is None else format_amount(row.max_amount),
        fee_percent=f"{row.fee_percent.normalize():f}",
        currency=row.currency,
    )


def _package(row: Package) -> PackageOut:
    return PackageOut(
        id=row.id, name=row.name, pay=format_amount(row.pay), credit=format_amount(row.credit), currency=row.currency
    )
