"""Rows of our accounts upstream: suppliers, what they sell, the routes to it, and what was said on the wire."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, Created, Id


class Supplier(Base):
    """An account of ours upstream. ``config`` holds the open settings, ``sealed`` the secret ones, ``wording`` how
    staff read what it says.

    ``state`` is what staff decided, ``paused_because`` why. ``paused_until`` is the circuit breaker, which machines
    work: NULL is closed, a time to come is open (nothing is sent), a time past is half open (one order is sent to try).
    ``trips`` counts how often in a row it opened, ``doubts`` the calls in a row of which nobody knows how they ended.

    ``balance_is_proof`` is staff's word that this supplier charges when an order is placed, so that a balance that did
    not move proves that an order is not there. ``panel_url`` is where staff look orders up. ``place_batch`` is how many
    orders one call may carry, NULL for as many as they take: all of a call whose end is lost are in doubt.

    ``devices_done`` and ``devices_left`` are the parts of its device catalogue that a reading has and has not come to.
    """

    __tablename__ = "suppliers"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'paused')", name="state"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("concurrency BETWEEN 1 AND 64", name="concurrency"),
        CheckConstraint("place_batch BETWEEN 1 AND 1000", name="place_batch"),
        CheckConstraint("requests_per_minute BETWEEN 0 AND 100000", name="requests_per_minute"),
        CheckConstraint("price_up_percent BETWEEN 0 AND 1000", name="price_up_percent"),
        CheckConstraint("price_down_percent BETWEEN 0 AND 100", name="price_down_percent"),
        CheckConstraint("missing_limit BETWEEN 1 AND 1000", name="missing_limit"),
        CheckConstraint("books_tolerance >= 0", name="books_tolerance"),
        CheckConstraint("low_balance >= 0", name="low_balance"),
        CheckConstraint("runway_days BETWEEN 0 AND 365", name="runway_days"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    config: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    wording: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    config_version: Mapped[int] = mapped_column(server_default="1")
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(server_default="active")
    paused_because: Mapped[str] = mapped_column(server_default="")
    paused_until: Mapped[datetime | None]
    pause_reason: Mapped[str | None]
    trips: Mapped[int] = mapped_column(Integer, server_default="0")
    doubts: Mapped[int] = mapped_column(Integer, server_default="0")
    balance_is_proof: Mapped[bool] = mapped_column(server_default=text("false"))
    panel_url: Mapped[str] = mapped_column(server_default="")
    place_batch: Mapped[int | None] = mapped_column(Integer)
    concurrency: Mapped[int] = mapped_column(Integer, server_default="4")
    requests_per_minute: Mapped[int] = mapped_column(Integer, server_default="0")
    balance: Mapped[int | None]
    balance_at: Mapped[datetime | None]
    books_tolerance: Mapped[int] = mapped_column(server_default="0")
    low_balance: Mapped[int | None]
    runway_days: Mapped[int] = mapped_column(Integer, server_default="3")
    synced_at: Mapped[datetime | None]
    price_up_percent: Mapped[int | None] = mapped_column(Integer, server_default="20")
    price_down_percent: Mapped[int | None] = mapped_column(Integer, server_default="50")
    apply_new: Mapped[bool] = mapped_column(server_default=text("true"))
    apply_names: Mapped[bool] = mapped_column(server_default=text("true"))
    apply_fields: Mapped[bool] = mapped_column(server_default=text("true"))
    apply_removed: Mapped[bool] = mapped_column(server_default=text("true"))
    missing_limit: Mapped[int] = mapped_column(Integer, server_default="3")
    devices_read_at: Mapped[datetime | None]
    devices_done: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    devices_left: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[Created]


class RemoteService(Base):
    """One row of a supplier's catalogue. ``cost`` is of one piece in micro-units of ``currency``, of the supplier's if
    that is empty; NULL if their price could not be read. ``opens`` and ``closes`` are "HH:MM" in ``zone``.
    ``removed_at`` is set when their list no longer holds it; one read ``on_demand`` is in no list, so none lacks it.
    ``paused_until``, ``trips`` and ``doubts`` are its circuit breaker, as the supplier's own."""

    __tablename__ = "remote_services"
    __table_args__ = (
        UniqueConstraint("supplier_id", "remote_id"),
        CheckConstraint("cost >= 0", name="cost"),
        Index("ix_remote_services_listed", "supplier_id", postgresql_where=text("removed_at IS NULL")),
        Index("ix_remote_services_paused", "supplier_id", postgresql_where=text("paused_until IS NOT NULL")),
    )

    id: Mapped[Id]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    remote_id: Mapped[str]
    name: Mapped[str]
    group_name: Mapped[str]
    type: Mapped[str]
    cost: Mapped[int | None]
    currency: Mapped[str] = mapped_column(String(3), server_default="")
    time: Mapped[str]
    info: Mapped[str]
    takes_serial: Mapped[bool]
    takes_quantity: Mapped[bool]
    min_quantity: Mapped[int | None] = mapped_column(Integer)
    max_quantity: Mapped[int | None] = mapped_column(Integer)
    fields: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    opens: Mapped[str] = mapped_column(server_default="")
    closes: Mapped[str] = mapped_column(server_default="")
    zone: Mapped[str] = mapped_column(server_default="")
    on_demand: Mapped[bool] = mapped_column(server_default=text("false"))
    missing_syncs: Mapped[int] = mapped_column(Integer, server_default="0")
    removed_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    pause_reason: Mapped[str | None]
    trips: Mapped[int] = mapped_column(Integer, server_default="0")
    doubts: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[Created]

    supplier: Mapped[Supplier] = relationship(lazy="raise")


class CatalogChange(Base):
    """One thing a supplier changed about a remote service, and what became of it.

    ``old`` and ``new`` hold the columns concerned. applied: taken over by itself; approved, rejected: by staff; undone:
    taken back by staff. A change that is waiting, rejected or undone stands against what the supplier says until
    ``outdated_at``, when they said something else.
    """

    __tablename__ = "catalog_changes"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('new', 'price', 'name', 'time', 'info', 'fields', 'quantity', 'type', 'removed', 'back')",
            name="kind",
        ),
        CheckConstraint("state IN ('applied', 'waiting', 'approved', 'rejected', 'undone')", name="state"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided_at"),
        Index("ix_catalog_changes_supplier_id", "supplier_id", "state", "id"),
        Index(
            "uq_catalog_changes_standing",
            "remote_service_id",
            "kind",
            unique=True,
            postgresql_where=text("outdated_at IS NULL AND state IN ('waiting', 'rejected', 'undone')"),
        ),
    )

    id: Mapped[Id]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    remote_service_id: Mapped[int] = mapped_column(ForeignKey("remote_services.id"))
    kind: Mapped[str]
    old: Mapped[dict[str, Any]] = mapped_column(JSONB)
    new: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str]
    found_at: Mapped[Created]
    decided_at: Mapped[datetime | None]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    outdated_at: Mapped[datetime | None]


class Route(Base):
    """A way to fulfil a service: which remote service, and how early it is tried (lowest priority number first).

    ``field_map`` names their field for a field of ours where the names differ; ``fixed`` are values of their fields
    that every order over this route has. ``next_after_unclear_hours`` is staff's word that an order which is unclear
    here for so long goes on over the next route, although it may then be bought twice; NULL: never by itself.
    """

    __tablename__ = "routes"
    __table_args__ = (
        UniqueConstraint("service_id", "remote_service_id"),
        CheckConstraint("state IN ('active', 'paused')", name="state"),
        CheckConstraint("next_after_unclear_hours BETWEEN 1 AND 8760", name="next_after_unclear_hours"),
        Index("ix_routes_remote_service_id", "remote_service_id"),
    )

    id: Mapped[Id]
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"))
    remote_service_id: Mapped[int] = mapped_column(ForeignKey("remote_services.id"))
    priority: Mapped[int] = mapped_column(Integer, server_default="100")
    state: Mapped[str] = mapped_column(server_default="active")
    next_after_unclear_hours: Mapped[int | None] = mapped_column(Integer)
    field_map: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    fixed: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[Created]

    remote_service: Mapped[RemoteService] = relationship(lazy="raise")


class RemoteMeasure(Base):
    """How a remote service did over the last days: ``answered`` attempts, of which ``delivered``, that share (drawn
    towards 900 of a thousand while there are few), and the seconds from sending to delivery."""

    __tablename__ = "remote_measures"
    __table_args__ = (
        CheckConstraint("delivered BETWEEN 0 AND answered", name="delivered"),
        CheckConstraint("success_permille BETWEEN 1 AND 1000", name="success_permille"),
    )

    remote_service_id: Mapped[int] = mapped_column(
        ForeignKey("remote_services.id"), primary_key=True, autoincrement=False
    )
    answered: Mapped[int]
    delivered: Mapped[int]
    success_permille: Mapped[int] = mapped_column(Integer)
    p50_seconds: Mapped[int | None] = mapped_column(Integer)
    p95_seconds: Mapped[int | None] = mapped_column(Integer)
    measured_at: Mapped[Created]


class MeasuredDay(Base):
    """What became of the attempts that were sent on a day (UTC), over one remote service, or NULL for all of a
    supplier's; ``open`` are those without an answer yet, among them the unclear ones."""

    __tablename__ = "measured_days"
    __table_args__ = (
        UniqueConstraint("supplier_id", "day", "remote_service_id", postgresql_nulls_not_distinct=True),
        Index("ix_measured_days_day", "day"),
    )

    id: Mapped[Id]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    day: Mapped[date]
    remote_service_id: Mapped[int | None] = mapped_column(ForeignKey("remote_services.id"))
    sent: Mapped[int] = mapped_column(Integer)
    delivered: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    refused: Mapped[int] = mapped_column(Integer)
    open: Mapped[int] = mapped_column(Integer)
    p50_seconds: Mapped[int | None] = mapped_column(Integer)
    p95_seconds: Mapped[int | None] = mapped_column(Integer)


class WebhookCall(Base):
    """A call that a supplier made to us, by the SHA-256 of its body, so that nobody makes it twice."""

    __tablename__ = "webhook_calls"
    __table_args__ = (Index("ix_webhook_calls_at", "at"),)

    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    at: Mapped[Created]


class Exchange(Base):
    """One request to a supplier and its reply, secrets replaced; kept as evidence for the attempts that point here."""

    __tablename__ = "exchanges"
    __table_args__ = (Index("ix_exchanges_supplier_id", "supplier_id", text("id DESC")),)

    id: Mapped[Id]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    call: Mapped[str]
    at: Mapped[datetime]
    method: Mapped[str]
    url: Mapped[str]
    request: Mapped[str]
    status: Mapped[int | None] = mapped_column(Integer)
    reply: Mapped[str]
    milliseconds: Mapped[int] = mapped_column(Integer)
    error: Mapped[str | None]
