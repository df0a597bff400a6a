"""Rows of what one member of staff asked for and another has to approve."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Id


class Approval(Base):
    """An act that moves money or grants credit, waiting for a second pair of eyes, or what became of it.

    ``amount`` is in micro-units of ``currency``: what a top-up gives, an adjustment gives or takes (below zero), a
    reversal gives back, or what a credit limit becomes (it was ``previous``). A trigger lets a row change once, from
    waiting to its end, and nothing of what was asked.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint("kind IN ('topup', 'adjust', 'reverse', 'credit_limit')", name="kind"),
        CheckConstraint("state IN ('waiting', 'approved', 'refused', 'withdrawn')", name="state"),
        CheckConstraint("(kind = 'reverse') = (order_id IS NOT NULL)", name="order_kind"),
        CheckConstraint("(kind IN ('topup', 'adjust')) = (reference IS NOT NULL)", name="reference_kinds"),
        CheckConstraint("(kind = 'credit_limit') = (previous IS NOT NULL)", name="previous_kind"),
        CheckConstraint("(state = 'waiting') = (decided_by IS NULL)", name="decided_by"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided_at"),
        CheckConstraint(
            "state NOT IN ('approved', 'refused') OR decided_by <> requested_by", name="four_eyes"
        ),
        CheckConstraint("state <> 'withdrawn' OR decided_by = requested_by", name="own_withdrawal"),
        CheckConstraint(
            "(state = 'approved' AND kind <> 'credit_limit') = (transfer_id IS NOT NULL)", name="outcome"
        ),
        Index(
            "uq_approvals_reference", "customer_id", "kind", "reference", unique=True,
            postgresql_where=text("state = 'waiting' AND reference IS NOT NULL"),
        ),
        Index(
            "uq_approvals_reverse", "order_id", unique=True,
            postgresql_where=text("state = 'waiting' AND kind = 'reverse'"),
        ),
        Index(
            "uq_approvals_credit_limit", "customer_id", unique=True,
            postgresql_where=text("state = 'waiting' AND kind = 'credit_limit'"),
        ),
        Index("ix_approvals_state", "state", "id"),
    )  # fmt: skip

    id: Mapped[Id]
    kind: Mapped[str]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    previous: Mapped[int | None]
    reference: Mapped[str | None]
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="waiting")
    requested_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(server_default="")
    transfer_id: Mapped[int | None] = mapped_column(ForeignKey("transfers.id"), unique=True)
