"""Rows of the people who buy from us and of their API keys."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import ARRAY, CIDR
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created, Id


class Customer(Base):
    """Someone who buys with an API key; has one currency for life and one ledger account."""

    __tablename__ = "customers"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'suspended')", name="state"),
        CheckConstraint("username ~ '^[a-z0-9][a-z0-9._-]{2,39}$'", name="username"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    )

    id: Mapped[Id]
    username: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(server_default="active")
    currency: Mapped[str] = mapped_column(String(3))
    price_group_id: Mapped[int | None] = mapped_column(ForeignKey("price_groups.id"), index=True)
    created_at: Mapped[Created]


class ApiKey(Base):
    """One key of a customer. Only its keyed hash is kept; the key itself is shown once."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("dialect IN ('6.1', '8.2')", name="dialect"),
        CheckConstraint("requests_per_minute >= 0", name="requests_per_minute"),
        Index("ix_api_keys_customer_id", "customer_id"),
    )

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str]
    label: Mapped[str] = mapped_column(server_default="")
    dialect: Mapped[str] = mapped_column(server_default="6.1")
    allowed_ips: Mapped[list[str]] = mapped_column(ARRAY(CIDR), server_default=text("'{}'"))
    requests_per_minute: Mapped[int | None]
    created_at: Mapped[Created]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
