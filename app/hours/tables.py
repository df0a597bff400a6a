"""Rows of how the hours went; derived from the books, and never the only place of anything."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Hour(Base):
    """One hour (UTC) in one currency; amounts in micro-units of it.

    ``placed``, ``completed`` and ``rejected`` count orders by the moment at which that happened; ``taken_back`` counts
    completed ones that staff rejected later. ``paid_in`` are top-ups, ``earned`` is what was settled of orders and
    ``given_back`` what customers got back of completed ones.
    """

    __tablename__ = "hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    placed: Mapped[int] = mapped_column(Integer)
    completed: Mapped[int] = mapped_column(Integer)
    rejected: Mapped[int] = mapped_column(Integer)
    taken_back: Mapped[int] = mapped_column(Integer)
    paid_in: Mapped[int]
    earned: Mapped[int]
    given_back: Mapped[int]


class HoursBuilt(Base):
    """One row: hours before ``final_until`` never change again, and those after it are as of ``built_at``."""

    __tablename__ = "hours_built"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    final_until: Mapped[datetime]
    built_at: Mapped[datetime]
