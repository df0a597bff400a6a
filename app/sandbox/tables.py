"""Rows of the sandbox: orders that nobody is charged for and no supplier sees."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created

FIRST_ID = 2_000_000_000
"""Above the ids of real orders for long, and within what panels keep in 32 bits."""


class SandboxOrder(Base):
    """An order of a sandbox key. ``price`` is shown and never charged.

    It ends as ``outcome`` with ``text`` (the result, or the reason) at ``closes_at``, or when it was asked after
    ``closes_after`` times; ``asked`` counts.
    """

    __tablename__ = "sandbox_orders"
    __table_args__ = (
        CheckConstraint("state IN ('accepted', 'in_progress', 'completed', 'rejected')", name="state"),
        CheckConstraint("outcome IN ('completed', 'rejected')", name="outcome"),
        CheckConstraint("num_nonnulls(closes_at, closes_after) = 1", name="closes"),
        CheckConstraint("(state IN ('completed', 'rejected')) = (closed_at IS NOT NULL)", name="closed_at"),
        Index("ix_sandbox_orders_customer_id", "customer_id", "id"),
        Index("ix_sandbox_orders_fingerprint", "customer_id", "fingerprint", postgresql_where=text("device <> ''")),
        Index("ix_sandbox_orders_closes_at", "closes_at", postgresql_where=text("closed_at IS NULL")),
        Index("ix_sandbox_orders_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(start=FIRST_ID), primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"))
    state: Mapped[str] = mapped_column(server_default="accepted")
    outcome: Mapped[str]
    text: Mapped[str]
    closes_at: Mapped[datetime | None]
    closes_after: Mapped[int | None] = mapped_column(Integer)
    asked: Mapped[int] = mapped_column(Integer, server_default="0")
    price: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    quantity: Mapped[int] = mapped_column(Integer)
    device: Mapped[str]
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reference: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    source: Mapped[str]
    callback_url: Mapped[str | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]
    closed_at: Mapped[datetime | None]
