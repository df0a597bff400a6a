"""``/payment-methods`` and ``/topup-packages``: how customers may pay in."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.admin.bodies import ExactRoute
from app.admin.deps import Parts, Reader, Transaction, Treasurer
from app.admin.schemas import Amount, Body, Currency, Decimals, Deleted, Listing, PathId
from app.money import format_amount
from app.topups import offers
from app.topups.offers import Method, Package

router = APIRouter(tags=["top-ups"], route_class=ExactRoute)

Fee = Annotated[Decimal, Field(ge=0, lt=100, decimal_places=3, examples=["2.9"])]
Position = Annotated[int, Field(ge=-offers.MAX_POSITION, le=offers.MAX_POSITION)]

_INSTRUCTIONS = "What customers read: where to pay, and what to write with it."
_FEE = "Percent that is kept of what is paid in."
_POSITION = "Lower ones are shown first."


class MethodIn(Body):
    """A way to pay in, shown to the customers of its currency."""

    name: str = Field(examples=["Bank transfer"])
    currency: Currency | None = None
    instructions: str = Field(
        "", max_length=4000, description=_INSTRUCTIONS, examples=["IBAN DE89 3704 0044 0532 0130 00"]
    )
    min_amount: Amount = Field(10_000, description="The least that may be paid; 0.01 if left out.")
    max_amount: Amount | None = None
    fee_percent: Fee = Field(Decimal(0), description=_FEE)
    active: bool = True
    position: Position = Field(0, description=_POSITION)


class MethodChange(Body):
    """What to change; what is not named stays, and the currency stays for life."""

    name: str = ""
    instructions: str = Field("", max_length=4000, description=_INSTRUCTIONS)
    min_amount: Amount = 1
    max_amount: Amount | None = None
    fee_percent: Fee = Field(Decimal(0), description=_FEE)
    active: bool = True
    position: Position = Field(0, description=_POSITION)


class MethodOut(BaseModel):
    """A way to pay in."""

    id: int
    name: str
    currency: str
    instructions: str
    min_amount: Decimals
    max_amount: Decimals | None
    fee_percent: Decimals
    active: bool
    position: int


class PackageIn(Body):
    """A fixed offer: who pays `pay` is credited `credit`, whatever the method's fee."""

    name: str = Field(examples=["500 and 25 on top"])
    currency: Currency | None = None
    pay: Amount = Field(examples=["500.00"])
    credit: Amount = Field(examples=["525.00"])
    active: bool = True
    position: Position = Field(0, description=_POSITION)


class PackageChange(Body):
    """What to change; requests that wait keep what was offered to them."""

    name: str = ""
    pay: Amount = 1
    credit: Amount = 1
    active: bool = True
    position: Position = Field(0, description=_POSITION)


class PackageOut(BaseModel):
    """A fixed offer."""

    id: int
    name: str
    currency: str
    pay: Decimals
    credit: Decimals
    active: bool
    position: int


@router.get("/payment-methods", summary="All payment methods")
async def list_methods(_: Reader, conn: Transaction) -> Listing[MethodOut]:
    """In display order, those that are not active too."""
    return Listing(items=[_method_out(row) for row in await offers.list_methods(conn)])


@router.post("/payment-methods", status_code=201, summary="Add a payment method")
async def add_method(body: MethodIn, _: Treasurer, parts: Parts, conn: Transaction) -> MethodOut:
    """Customers of its currency see it at once."""
    values = {**body.model_dump(), "currency": body.currency or parts.currency}
    return _method_out(await offers.add_method(conn, values))


@router.get("/payment-methods/{method_id}", summary="One payment method")
async def get_method(method_id: PathId, _: Reader, conn: Transaction) -> MethodOut:
    """The method as it is set up."""
    return _method_out(await offers.get_method(conn, method_id))


@router.patch("/payment-methods/{method_id}", summary="Change a payment method")
async def change_method(method_id: PathId, body: MethodChange, _: Treasurer, conn: Transaction) -> MethodOut:
    """Requests that wait keep the credit that they were promised."""
    return _method_out(await offers.change_method(conn, method_id, body.model_dump(exclude_unset=True)))


@router.delete("/payment-methods/{method_id}", summary="Remove a payment method")
async def remove_method(method_id: PathId, _: Treasurer, conn: Transaction) -> Deleted:
    """Only one that was never used; others are made inactive."""
    await offers.remove_method(conn, method_id)
    return Deleted()


@router.get("/topup-packages", summary="All packages")
async def list_packages(_: Reader, conn: Transaction) -> Listing[PackageOut]:
    """In display order, those that are not active too."""
    return Listing(items=[_package_out(row) for row in await offers.list_packages(conn)])


@router.post("/topup-packages", status_code=201, summary="Add a package")
async def add_package(body: PackageIn, _: Treasurer, parts: Parts, conn: Transaction) -> PackageOut:
    """Customers of its currency see it at once."""
    values = {**body.model_dump(), "currency": body.currency or parts.currency}
    return _package_out(await offers.add_package(conn, values))


@router.get("/topup-packages/{package_id}", summary="One package")
async def get_package(package_id: PathId, _: Reader, conn: Transaction) -> PackageOut:
    """The package as it is set up."""
    return _package_out(await offers.get_package(conn, package_id))


@router.patch("/topup-packages/{package_id}", summary="Change a package")
async def change_package(package_id: PathId, body: PackageChange, _: Treasurer, conn: Transaction) -> PackageOut:
    """Requests that wait keep what was offered to them."""
    return _package_out(await offers.change_package(conn, package_id, body.model_dump(exclude_unset=True)))


@router.delete("/topup-packages/{package_id}", summary="Remove a package")
async def remove_package(package_id: PathId, _: Treasurer, conn: Transaction) -> Deleted:
    """Only one that was never used; others are made inactive."""
    await offers.remove_package(conn, package_id)
    return Deleted()


def _method_out(row: Method) -> MethodOut:
    return MethodOut(
        id=row.id,
        name=row.name,
        currency=row.currency,
        instructions=row.instructions,
        min_amount=format_amount(row.min_amount),
        max_amount=None if row.max_amount is None else format_amount(row.max_amount),
        fee_percent=f"{row.fee_percent.normalize():f}",
        active=row.active,
        position=row.position,
    )


def _package_out(row: Package) -> PackageOut:
    return PackageOut(
        id=row.id,
        name=row.name,
        currency=row.currency,
        pay=format_amount(row.pay),
        credit=format_amount(row.credit),
        active=row.active,
        position=row.position,
    )
