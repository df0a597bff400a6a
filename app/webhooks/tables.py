"""Rows of what customers are told over HTTP: where to, what happened, and every message of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created, Id


class WebhookEndpoint(Base):
    """Where a customer wants to be told of ``events``; without a ``url`` it is for the callbacks of single orders.

    ``sealed`` is the signing secret, ``sealed_before`` the one it replaced, which signs too until ``overlap_until``.
    ``failures`` counts those since it last answered well, the first of them at ``failing_since``; until ``not_before``
    it is left alone. ``paused_because`` says why the machine paused it, NULL if the customer did.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'paused')", name="state"),
        CheckConstraint("url IS NULL OR events <> '{}'", name="events"),
        Index("ix_webhook_endpoints_customer_id", "customer_id", "id"),
        Index("uq_webhook_endpoints_callbacks", "customer_id", unique=True, postgresql_where=text("url IS NULL")),
    )

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    url: Mapped[str | None]
    label: Mapped[str] = mapped_column(server_default="")
    events: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_before: Mapped[bytes | None] = mapped_column(LargeBinary)
    overlap_until: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(server_default="active")
    paused_because: Mapped[str | None]
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    failing_since: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    created_at: Mapped[Created]


class WebhookEvent(Base):
    """One thing that happened to a customer's orders, balance or prices, written with the change itself.

    ``body`` is the ``data`` of the message, as it was at that moment; ``subject`` names what it is about.
    """

    __tablename__ = "webhook_events"
    __table_args__ = (Index("ix_webhook_events_created_at", "created_at"),)

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    kind: Mapped[str]
    subject: Mapped[str] = mapped_column(server_default="")
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    sandbox: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Created]


class WebhookDelivery(Base):
    """One event on its way to one receiver: the endpoint's URL, or its own for an order's callback.

    ``attempts`` counts since it was last asked for; ``status``, ``error`` and ``reply`` are of the last one. While an
    endpoint is paused its deliveries are ``held``.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'sending', 'delivered', 'failed', 'held')", name="state"),
        CheckConstraint("(state = 'sending') = (lease_by IS NOT NULL)", name="sending_leased"),
        Index("ix_webhook_deliveries_waiting", "endpoint_id", "due_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_webhook_deliveries_sending", "endpoint_id", postgresql_where=text("state = 'sending'")),
        Index("ix_webhook_deliveries_held", "endpoint_id", postgresql_where=text("state = 'held'")),
        Index("ix_webhook_deliveries_endpoint_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_event_id", "event_id"),
    )

    id: Mapped[Id]
    event_id: Mapped[int] = mapped_column(ForeignKey("webhook_events.id", ondelete="CASCADE"))
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    url: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="waiting")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    due_at: Mapped[Created]
    lease_by: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None]
    reply: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[Created]


class PauseMail(Base):
    """A mail to a customer that waits: the machine paused their endpoint, and nobody told them by mail yet."""

    __tablename__ = "webhook_pause_mails"

    endpoint_id: Mapped[int] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), primary_key=True)
    due_at: Mapped[Created]
    tries: Mapped[int] = mapped_column(Integer, server_default="0")


class ToldPrice(Base):
    """What a customer with an endpoint for changed services knows of a service's price, in micro-units."""

    __tablename__ = "webhook_told_prices"

    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    service_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[int]


class ToldCatalog(Base):
    """Up to which version of the catalogue a customer was told of changed services."""

    __tablename__ = "webhook_told_catalogs"

    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    version: Mapped[int]
