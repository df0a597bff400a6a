"""Rows of what was earned; derived from transfers and attempts, and never the only place of anything."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Float, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class ProfitDay(Base):
    """One day (UTC) of one subject in one currency; amounts in micro-units of it.

    ``dimension`` says what ``subject_id`` is: all (0), a service, a supplier (0: a result served again), a customer.
    ``orders`` are those that were paid for on the day, ``revenue`` what was settled of them, ``reversed`` what staff
    gave back of completed orders. ``cost`` is of the attempts that delivered, ``absorbed`` of those beside them; both
    on the day on which the attempt ended, at the rate of that moment. ``unpriced`` counts attempts of unknown cost.
    """

    __tablename__ = "profit_days"
    __table_args__ = (
        CheckConstraint("dimension IN ('all', 'service', 'supplier', 'customer')", name="dimension"),
        Index("ix_profit_days_day", "day"),
    )

    dimension: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    orders: Mapped[int] = mapped_column(Integer)
    revenue: Mapped[int]
    reversed: Mapped[int]
    cost: Mapped[int]
    absorbed: Mapped[int]
    unpriced: Mapped[int] = mapped_column(Integer)


class ProfitBuild(Base):
    """When a day was built last, and how many seconds that took."""

    __tablename__ = "profit_builds"

    day: Mapped[date] = mapped_column(primary_key=True)
    built_at: Mapped[datetime]
    seconds: Mapped[float] = mapped_column(Float)
