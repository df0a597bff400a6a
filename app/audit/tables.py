"""Rows of the audit: the runs that were kept."""

from datetime import datetime
from typing import Any

from sqlalchemy import Double, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Id


class AuditRun(Base):
    """One run of the audit: how long it took, how much it looked at, and what it found.

    ``breaks`` says how often each broken promise is, ``findings`` has the first hundred of each as objects of promise,
    subject and detail. ``staff_id`` is who started it, NULL for the night's.
    """

    __tablename__ = "audit_runs"

    id: Mapped[Id]
    started_at: Mapped[datetime]
    seconds: Mapped[float] = mapped_column(Double)
    accounts: Mapped[int]
    transfers: Mapped[int]
    orders: Mapped[int]
    attempts: Mapped[int]
    ok: Mapped[bool]
    breaks: Mapped[dict[str, int]] = mapped_column(JSONB)
    findings: Mapped[list[Any]] = mapped_column(JSONB)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
