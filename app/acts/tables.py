"""Rows of the audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Id


class Act(Base):
    """One act, written by the change itself and never changed: who, through which door, from where, to what.

    ``staff_id`` and ``customer_id`` are both NULL for the command line, a machine, and a hand on the database.
    ``named`` names the row where the subject has several, ``before`` and ``after`` hold the columns that changed,
    "secret" in place of secrets. What it names may be gone by now: a history outlives.
    """

    __tablename__ = "acts"
    __table_args__ = (
        CheckConstraint("door IN ('admin', 'portal', 'api', 'command', 'system')", name="door"),
        Index("ix_acts_at", "at", "id"),
        Index("ix_acts_staff_id", "staff_id", "at", "id"),
        Index("ix_acts_subject", "subject_kind", "subject_id", "at", "id"),
        Index("ix_acts_subject_kind", "subject_kind", "at", "id"),
    )

    id: Mapped[Id]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    staff_id: Mapped[int | None]
    customer_id: Mapped[int | None]
    door: Mapped[str]
    address: Mapped[str]
    act: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[int | None]
    named: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
