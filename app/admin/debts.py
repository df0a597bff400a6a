"""``/customers/{id}/ageing`` and ``/debtors``: who owes us what, and since when."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from app.admin.bodies import ExactRoute
from app.admin.deps import Reader, Transaction
from app.admin.schemas import DEFAULT_PAGE, Cursor, Decimals, Page, PageSize, PathId, Row
from app.ledger import debts
from app.ledger.debts import Ageing
from app.money import format_amount

router = APIRouter(tags=["customers"], route_class=ExactRoute)


class DebtByAge(BaseModel):
    """Parts of a debt by their age in whole days; top-ups pay the oldest first."""

    days_0_7: Decimals
    days_8_30: Decimals
    days_31_60: Decimals
    days_over_60: Decimals


class DebtorOut(Row):
    """A customer's debt, above zero, and its parts; `oldest` is since when the oldest of it is owed."""

    username: str
    currency: str
    debt: Decimals
    by_age: DebtByAge
    oldest: datetime | None
    credit_limit: Decimals
    credit_days: int | None
    overdue: bool


@router.get("/customers/{customer_id}/ageing", summary="How old a customer's debt is")
async def ageing(customer_id: PathId, _: Reader, conn: Transaction) -> DebtorOut:
    """All zero for a customer who owes nothing."""
    return _out(await debts.ageing_of(conn, customer_id))


@router.get("/debtors", summary="The customers who owe something")
async def debtors(
    _: Reader, conn: Transaction, *, overdue: bool | None = None, cursor: Cursor = None, limit: PageSize = DEFAULT_PAGE
) -> Page[DebtorOut]:
    """Debtors in order of id; `overdue` asks for those who are, or are not."""
    rows = await debts.debtors(conn, overdue=overdue, after=cursor or 0, limit=limit + 1)
    return Page.of([_out(row) for row in rows], limit)


def _out(row: Ageing) -> DebtorOut:
    return DebtorOut(
        id=row.customer_id,
        username=row.username,
        currency=row.currency,
        debt=format_amount(row.debt),
        by_age=DebtByAge(**{part: format_amount(getattr(row, part)) for part in DebtByAge.model_fields}),
        oldest=row.oldest,
        credit_limit=format_amount(row.credit_limit),
        credit_days=row.credit_days,
        overdue=row.overdue,
    )
