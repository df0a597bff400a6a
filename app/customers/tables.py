"""Rows of the people who buy from us and of their API keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, INET, JSONB
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
    login_id: Mapped[int | None] = mapped_column(ForeignKey("logins.id"), unique=True)
    portal_key_id: Mapped[int | None] = mapped_column(
        ForeignKey("api_keys.id", use_alter=True, name="fk_customers_portal_key_id_api_keys"), unique=True
    )
    created_at: Mapped[Created]


class ApiKey(Base):
    """One key of a customer. Only its keyed hash is kept; the key itself is shown once.

    ``scopes`` are what it may do; nothing real is bought with a ``sandbox`` key. Until ``learning_until`` it works from
    anywhere and the addresses are noted. ``last_used_at`` is written at most once a minute.
    """

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
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    sandbox: Mapped[bool] = mapped_column(server_default=text("false"))
    allowed_ips: Mapped[list[str]] = mapped_column(ARRAY(CIDR), server_default=text("'{}'"))
    learning_until: Mapped[datetime | None]
    requests_per_minute: Mapped[int | None]
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("api_keys.id"), unique=True)
    created_at: Mapped[Created]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class KeyAddress(Base):
    """An address that a key was used from while it learned."""

    __tablename__ = "key_addresses"

    key_id: Mapped[int] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True)
    address: Mapped[str] = mapped_column(INET, primary_key=True)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    uses: Mapped[int]


class IdempotencyKey(Base):
    """What was answered to a key of a customer's own making; ``request`` is the hash of what it was sent with."""

    __tablename__ = "idempotency_keys"

    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[Any] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class PasswordReset(Base):
    """Somebody's wish for a new password at the portal, until a mail was sent or it was nobody's."""

    __tablename__ = "password_resets"

    id: Mapped[Id]
    typed: Mapped[str] = mapped_column(unique=True)
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[Created]
    due_at: Mapped[Created]
