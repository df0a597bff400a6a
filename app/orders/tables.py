"""Rows of the order path: orders, attempts and events. The order and attempt rows are the work list itself."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, Created, Id


class StoredFile(Base):
    """A file that belongs to orders: what a customer sent in, or a binary result."""

    __tablename__ = "files"

    id: Mapped[Id]
    name: Mapped[str]
    media_type: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Created]


class Order(Base):
    """One wish for one device on one service. ``price`` is for all pieces, in micro-units of ``currency``, fixed for
    life. ``guarded`` orders exclude a second open one for the same customer, service and device. ``delivered`` is how
    many pieces a completed order brought, NULL for all of them.

    ``repeats_id`` is the order whose result was served again. ``cancel_requested_at`` is the customer's or staff's wish
    that only proof fulfils. After ``late_at`` the order is later than was promised; staff were told
    at ``escalated_at``. ``held`` says why an open order without a live attempt waits for a person. ``callback_url`` is
    where its customer wants to be told of its end.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("state IN ('accepted', 'in_progress', 'completed', 'rejected')", name="state"),
        CheckConstraint("price >= 0", name="price"),
        CheckConstraint("quantity >= 1", name="quantity"),
        CheckConstraint("state <> 'completed' OR result <> ''", name="completed_has_result"),
        CheckConstraint("state <> 'rejected' OR reason <> ''", name="rejected_has_reason"),
        CheckConstraint("delivered BETWEEN 1 AND quantity - 1", name="delivered_in_part"),
        CheckConstraint("(state IN ('completed', 'rejected')) = (closed_at IS NOT NULL)", name="closed_at"),
        Index(
            "uq_orders_open_device",
            "customer_id",
            "service_id",
            "device",
            unique=True,
            postgresql_where=text("guarded AND state IN ('accepted', 'in_progress')"),
        ),
        Index("ix_orders_device", "device", "customer_id", "service_id", "id", postgresql_where=text("device <> ''")),
        Index("ix_orders_customer_id", "customer_id", "id"),
        Index("ix_orders_service_id", "service_id", "id"),
        # Rows lie in the order of their making, so this little tells where an hour begins.
        Index("ix_orders_created_at", "created_at", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
        Index("ix_orders_reference", "reference", postgresql_where=text("reference <> ''")),
        # What lets a file of no order be found and removed without reading all orders.
        Index("ix_orders_file_id", "file_id", postgresql_where=text("file_id IS NOT NULL")),
        Index("ix_orders_result_file_id", "result_file_id", postgresql_where=text("result_file_id IS NOT NULL")),
        Index("ix_orders_in_part", "closed_at", postgresql_where=text("delivered IS NOT NULL")),
        Index("ix_orders_open", "id", postgresql_where=text("state IN ('accepted', 'in_progress')")),
        Index(
            "ix_orders_late",
            "late_at",
            postgresql_where=text(
                "state IN ('accepted', 'in_progress') AND escalated_at IS NULL AND late_at IS NOT NULL"
            ),
        ),
        # What waits for a person, found without a look at all that is open.
        Index("ix_orders_held", "id", postgresql_where=text("held IS NOT NULL")),
        Index(
            "ix_orders_cancel",
            "id",
            postgresql_where=text("state IN ('accepted', 'in_progress') AND cancel_requested_at IS NOT NULL"),
        ),
        Index(
            "ix_orders_escalated",
            "late_at",
            postgresql_where=text("state IN ('accepted', 'in_progress') AND escalated_at IS NOT NULL"),
        ),
        CheckConstraint("repeats_id <> id", name="repeats_another"),
        CheckConstraint("held IS NULL OR state IN ('accepted', 'in_progress')", name="held_is_open"),
        {
            # Orders are updated a few times and then never again: leave room on the page, vacuum early.
            "postgresql_with": {"fillfactor": "85", "autovacuum_vacuum_scale_factor": "0.02"}
        },
    )

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    key_id: Mapped[int | None] = mapped_column(ForeignKey("api_keys.id"))
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"))
    state: Mapped[str] = mapped_column(server_default="accepted")
    price: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    quantity: Mapped[int] = mapped_column(Integer)
    device: Mapped[str]
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reference: Mapped[str] = mapped_column(server_default="")
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    guarded: Mapped[bool]
    source: Mapped[str]
    file_id: Mapped[int | None] = mapped_column(ForeignKey("files.id"))
    result: Mapped[str | None]
    result_file_id: Mapped[int | None] = mapped_column(ForeignKey("files.id"))
    reason: Mapped[str | None]
    delivered: Mapped[int | None] = mapped_column(Integer)
    repeats_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    cancel_requested_at: Mapped[datetime | None]
    late_at: Mapped[datetime | None]
    escalated_at: Mapped[datetime | None]
    held: Mapped[str | None]
    callback_url: Mapped[str | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]
    closed_at: Mapped[datetime | None]

    attempts: Mapped[list["Attempt"]] = relationship(lazy="raise", order_by="Attempt.number")


class Attempt(Base):
    """One try to fulfil an order over one route.

    ``due_at`` says when the row wants work; ``lease_by`` and ``lease_until`` say who holds it until when. Writes of a
    worker that lost its lease change nothing.

    ``chosen`` says why this route was taken. ``max_cost`` (micro-units of the supplier's currency, for all pieces) is
    the cost that staff agreed to for an attempt which they ordered; ``forced`` is their word that the supplier shall
    take it although it looks like a duplicate there. The exchanges of placing it and of the report that ended it may be
    gone when their time is over; their numbers stay. ``cancel_asked_at`` is when the supplier answered that wish.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        UniqueConstraint("order_id", "number"),
        CheckConstraint(
            "state IN ('prepared', 'sending', 'placed', 'unclear', 'done', 'failed', 'not_sent', 'refused',"
            " 'abandoned')",
            name="state",
        ),
        CheckConstraint("state NOT IN ('placed', 'done', 'failed') OR remote_id <> ''", name="has_remote_id"),
        CheckConstraint("state <> 'sending' OR (lease_by IS NOT NULL AND sent_at IS NOT NULL)", name="sending_leased"),
        # At most one live attempt per order: what may have been bought is never bought again beside it.
        Index(
            "uq_attempts_live",
            "order_id",
            unique=True,
            postgresql_where=text("state IN ('prepared', 'sending', 'placed', 'unclear')"),
        ),
        Index(
            "uq_attempts_remote_id",
            "supplier_id",
            "remote_id",
            unique=True,
            postgresql_where=text("remote_id IS NOT NULL"),
        ),
        Index("ix_attempts_prepared", "supplier_id", "due_at", postgresql_where=text("state = 'prepared'")),
        Index("ix_attempts_placed", "supplier_id", "due_at", postgresql_where=text("state = 'placed'")),
        Index("ix_attempts_sending", "lease_until", postgresql_where=text("state = 'sending'")),
        Index("ix_attempts_unclear", "supplier_id", "due_at", postgresql_where=text("state = 'unclear'")),
        # Rows lie in the order of their making, so this little tells where the last days begin.
        Index("ix_attempts_created_at", "created_at", postgresql_using="brin"),
        # So do the exchanges they point to: whose attempt an old one was is found without reading all attempts.
        Index("ix_attempts_place_exchange_id", "place_exchange_id", postgresql_using="brin"),
        Index("ix_attempts_report_exchange_id", "report_exchange_id", postgresql_using="brin"),
        # What the books of a supplier are made of: those of a day, found without a look at all the others.
        Index("ix_attempts_sent_at", "sent_at", postgresql_using="brin"),
        Index("ix_attempts_closed_at", "closed_at", postgresql_using="brin"),
        Index("ix_attempts_failed", "supplier_id", "closed_at", postgresql_where=text("state = 'failed'")),
        {"postgresql_with": {"fillfactor": "85", "autovacuum_vacuum_scale_factor": "0.02"}},
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    number: Mapped[int] = mapped_column(Integer)
    route_id: Mapped[int] = mapped_column(ForeignKey("routes.id"))
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    remote_service_id: Mapped[int] = mapped_column(ForeignKey("remote_services.id"))
    state: Mapped[str] = mapped_column(server_default="prepared")
    remote_id: Mapped[str | None]
    cost: Mapped[int | None]
    cost_currency: Mapped[str | None] = mapped_column(String(3))
    due_at: Mapped[Created]
    lease_by: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    polls: Mapped[int] = mapped_column(Integer, server_default="0")
    refusal: Mapped[str | None]
    text: Mapped[str | None]
    note: Mapped[str | None]
    chosen: Mapped[str | None]
    forced: Mapped[bool] = mapped_column(server_default=false())
    max_cost: Mapped[int | None]
    cancel_asked_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    sent_at: Mapped[datetime | None]
    placed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    place_exchange_id: Mapped[int | None]
    report_exchange_id: Mapped[int | None]


class AttemptExchange(Base):
    """A further exchange of an attempt: a search for it, a wish to cancel or hurry it, a log-in before the order."""

    __tablename__ = "attempt_exchanges"
    __table_args__ = (Index("ix_attempt_exchanges_exchange_id", "exchange_id"),)

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    exchange_id: Mapped[int] = mapped_column(ForeignKey("exchanges.id", ondelete="CASCADE"), primary_key=True)


class OrderEvent(Base):
    """One thing that happened to an order or one of its attempts, written with the change itself."""

    __tablename__ = "order_events"
    __table_args__ = (
        Index("ix_order_events_order_id", "order_id", "id"),
        Index("ix_order_events_at", "at", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempts.id"))
    kind: Mapped[str]
    old_state: Mapped[str | None]
    new_state: Mapped[str | None]
    actor: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    at: Mapped[Created]
