"""Rows of the books of suppliers: what they said we hold, what we paid in, and what became of that day by day."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created, Id


class SupplierBalance(Base):
    """What a supplier said our account there holds, in micro-units of ``currency``: it was so at some moment from
    ``asked_at`` to ``at``. Every reading is kept."""

    __tablename__ = "supplier_balances"
    __table_args__ = (
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        Index("ix_supplier_balances_supplier_id", "supplier_id", "at"),
    )

    id: Mapped[Id]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    asked_at: Mapped[datetime | None]
    at: Mapped[Created]


class SupplierDeposit(Base):
    """Money paid in at a supplier (below zero: taken out), in micro-units of ``currency``, once a reference; ``at`` is
    when it arrived."""

    __tablename__ = "supplier_deposits"
    __table_args__ = (
        UniqueConstraint("supplier_id", "reference"),
        CheckConstraint("amount <> 0", name="amount"),
        CheckConstraint("reference <> ''", name="reference"),
        Index("ix_supplier_deposits_at", "supplier_id", "at"),
    )

    id: Mapped[Id]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    reference: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[Created]


class SupplierDay(Base):
    """The books of one supplier for one day (UTC), in micro-units of ``currency``.

    They run from ``from_at`` to ``to_at``: from the last balance read before the day to the last one read in it, so
    that nothing falls between two days; where there is none, from midnight to midnight. ``expected`` is ``opening``
    (without a reading: what was expected of the day before) plus ``deposits`` less ``cost`` plus ``given_back``;
    ``difference`` is ``closing`` less ``expected``. They may have taken more without our knowing, ``in_doubt`` at most,
    or less, ``in_return`` at most. ``left_out`` counts what is in another currency, and then there is no difference.
    ``explained`` is the difference that ``note`` explains.
    """

    __tablename__ = "supplier_days"
    __table_args__ = (
        UniqueConstraint("supplier_id", "day"),
        CheckConstraint("state IN ('ok', 'open', 'explained')", name="state"),
        CheckConstraint("(opening IS NULL) = (opening_at IS NULL)", name="opening"),
        CheckConstraint("(closing IS NULL) = (closing_at IS NULL)", name="closing"),
        CheckConstraint("(explained IS NULL) = (explained_at IS NULL)", name="explained"),
        CheckConstraint("state <> 'explained' OR note <> ''", name="explained_with_note"),
        Index("ix_supplier_days_open", "id", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[Id]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    day: Mapped[date] = mapped_column(Date)
    currency: Mapped[str] = mapped_column(String(3))
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    opening: Mapped[int | None]
    opening_at: Mapped[datetime | None]
    closing: Mapped[int | None]
    closing_at: Mapped[datetime | None]
    deposits: Mapped[int]
    cost: Mapped[int]
    given_back: Mapped[int]
    in_doubt: Mapped[int]
    in_return: Mapped[int]
    left_out: Mapped[int]
    expected: Mapped[int]
    difference: Mapped[int | None]
    state: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    explained: Mapped[int | None]
    explained_at: Mapped[datetime | None]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    computed_at: Mapped[datetime]


class SupplierSpending(Base):
    """What the attempts of seven days cost at a supplier that were sent until ``counted_until``, in micro-units of
    ``currency``; counted anew every few minutes, and what was sent later is added by who reads it."""

    __tablename__ = "supplier_spending"

    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"), primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(String(3))
    cost: Mapped[int]
    counted_until: Mapped[datetime]
