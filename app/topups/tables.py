"""Rows of how customers pay in: methods, packages, and what they say they have paid."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Numeric, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created, Id


class PaymentMethod(Base):
    """A way to pay in, for customers of its currency; amounts are micro-units. ``fee_percent`` is kept of what is paid
    in, so that less is credited."""

    __tablename__ = "payment_methods"
    __table_args__ = (
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("min_amount > 0 AND (max_amount IS NULL OR max_amount >= min_amount)", name="amounts"),
        CheckConstraint("fee_percent >= 0 AND fee_percent < 100", name="fee_percent"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    currency: Mapped[str] = mapped_column(String(3))
    instructions: Mapped[str]
    min_amount: Mapped[int] = mapped_column(server_default="1")
    max_amount: Mapped[int | None]
    fee_percent: Mapped[Decimal] = mapped_column(Numeric(5, 3), server_default="0")
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    position: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[Created]


class TopupPackage(Base):
    """A fixed offer: who pays ``pay`` is credited ``credit``, whatever the method's fee; in micro-units."""

    __tablename__ = "topup_packages"
    __table_args__ = (
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("pay > 0 AND credit > 0", name="amounts"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    currency: Mapped[str] = mapped_column(String(3))
    pay: Mapped[int]
    credit: Mapped[int]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    position: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[Created]


class TopupRequest(Base):
    """What a customer says to have paid: ``amount`` by a method, for which ``credit`` is due if it arrives so.

    ``credited`` is what staff found right, and ``transfer_id`` the money that moved. While ``approval_id`` is set, one
    of the staff has approved and a second has to; triggers end the request with that approval and let it change once.
    """

    __tablename__ = "topup_requests"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'approved', 'refused')", name="state"),
        CheckConstraint("amount > 0 AND credit > 0", name="amounts"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided_at"),
        CheckConstraint("(state = 'waiting') = (decided_by IS NULL)", name="decided_by"),
        CheckConstraint("(state = 'approved') = (transfer_id IS NOT NULL)", name="transfer"),
        CheckConstraint("(state = 'approved') = (credited IS NOT NULL)", name="credited"),
        CheckConstraint("state <> 'refused' OR (reason <> '' AND approval_id IS NULL)", name="refused"),
        Index("ix_topup_requests_customer_id", "customer_id", "id"),
        Index("ix_topup_requests_state", "state", "id"),
    )

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    method_id: Mapped[int] = mapped_column(ForeignKey("payment_methods.id"), index=True)
    package_id: Mapped[int | None] = mapped_column(ForeignKey("topup_packages.id"), index=True)
    amount: Mapped[int]
    credit: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    sender: Mapped[str]
    paid_on: Mapped[date]
    note: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default="waiting")
    created_at: Mapped[Created]
    approval_id: Mapped[int | None] = mapped_column(ForeignKey("approvals.id"), unique=True)
    credited: Mapped[int | None]
    transfer_id: Mapped[int | None] = mapped_column(ForeignKey("transfers.id"), unique=True)
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(server_default="")
