"""``/suppliers/{id}/books`` and ``/deposits``: what a supplier should hold by our own books."""

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Reader, Transaction, Treasurer
from app.admin.schemas import Amount, Body, Decimals, PathId
from app.money import format_amount
from app.suppliers import books
from app.suppliers.books_days import close_again

router = APIRouter(prefix="/suppliers", tags=["suppliers"], route_class=ExactRoute)


class DepositIn(Body):
    """Money paid in at a supplier, or taken out (below zero)."""

    amount: Amount
    reference: str = Field(
        max_length=books.MAX_REFERENCE, examples=["transfer 2026-11-20"], description="Makes it count once."
    )
    note: str = Field("", max_length=books.MAX_NOTE)
    at: AwareDatetime | None = Field(None, description="When it arrived; now, if not given. Its day is closed again.")


class DepositOut(BaseModel):
    """A deposit as it was written down, and the balance with it."""

    id: int
    new: bool
    balance: Decimals
    currency: str


class BooksOut(BaseModel):
    """What we paid in, what our attempts cost, what is in doubt, and what should be left."""

    paid_in: Decimals
    spent: Decimals
    in_doubt: Decimals
    balance: Decimals
    currency: str


@router.get("/{supplier_id}/books", summary="What a supplier should hold by our books")
async def read_books(supplier_id: PathId, _: Reader, conn: Transaction) -> BooksOut:
    """The only balance of a supplier that has no balance call."""
    found = await books.books_of(conn, supplier_id)
    return BooksOut(
        paid_in=format_amount(found.paid_in),
        spent=format_amount(found.spent),
        in_doubt=format_amount(found.in_doubt),
        balance=format_amount(found.balance),
        currency=found.currency,
    )


@router.post(
    "/{supplier_id}/deposits",
    status_code=201,
    summary="Write down a deposit",
    responses={200: {"model": DepositOut, "description": "The reference was written down before."}},
)
async def add_deposit(
    supplier_id: PathId, body: DepositIn, staff: Treasurer, conn: Transaction, response: Response
) -> DepositOut:
    """Write down money that was paid in at the supplier, once per reference."""
    deposit_id, new = await books.add_deposit(
        conn,
        supplier_id,
        amount=body.amount,
        reference=body.reference,
        note=body.note,
        staff_id=staff.id,
        at=body.at,
    )
    if not new:
        response.status_code = 200
    elif body.at is not None:
        await close_again(conn, supplier_id, body.at)
    found = await books.books_of(conn, supplier_id)
    return DepositOut(id=deposit_id, new=new, balance=format_amount(found.balance), currency=found.currency)
