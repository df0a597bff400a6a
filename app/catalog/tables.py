"""Rows of what we sell: groups, services, their fields, and prices."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import Text

from app.db import Base, Created, Id

MAX_PRICE = 1_000_000_000_000
"""The highest price of one piece in micro-units (a million units); times the highest quantity it fits a bigint."""

CODE = "^[a-z][a-z0-9-]{1,59}$"
"""The form of a service's code."""

MAX_QUANTITY = 100_000
"""The most pieces one order may ask for."""


class ServiceGroup(Base):
    """A heading of the service list."""

    __tablename__ = "service_groups"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    position: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[Created]


class Service(Base):
    """Something we sell. ``price`` is of one piece, in micro-units of ``currency``; by ``price_source`` it was set by
    hand (``manual``, and stays) or is left to the mark-up rules (``rule``). ``code`` is a name for programs that begins
    with a letter, so that it is never taken for an id.

    ``device`` says what the IMEI parameter of an order must hold: an IMEI, a serial, either, or nothing (``none``; an
    identifier given all the same is kept). ``extensions`` are those a file service takes, none for any.

    ``service_class`` says whether a definitive no may be followed by another supplier's try (``next_after_rejection``,
    unlocks only; a check's answer is final). ``routing`` is how routes are ranked. ``duplicates`` is what an order for
    a device that has one already leads to, counting completed ones up to ``duplicate_hours`` old; ``recent_price`` is
    what a result served again costs, in micro-units of ``currency``, NULL for the usual price. An order is sent
    ``confirm_seconds`` after it was placed; until then it can be taken back. ``expected_minutes`` and
    ``guaranteed_minutes`` are what was promised; ``measured_time`` lets the measured delivery time be ``time``.
    """

    __tablename__ = "services"
    __table_args__ = (
        CheckConstraint("type IN ('imei', 'server', 'remote', 'file')", name="type"),
        CheckConstraint("device IN ('imei', 'serial', 'imei_or_serial', 'none')", name="device"),
        CheckConstraint("state IN ('active', 'hidden')", name="state"),
        CheckConstraint(f"price BETWEEN 0 AND {MAX_PRICE}", name="price"),
        CheckConstraint("price_source IN ('manual', 'rule')", name="price_source"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint(f"min_quantity >= 1 AND max_quantity <= {MAX_QUANTITY}", name="quantity_range"),
        CheckConstraint("min_quantity <= max_quantity", name="quantity_order"),
        CheckConstraint("name <> ''", name="name"),
        CheckConstraint(f"code ~ '{CODE}'", name="code"),
        CheckConstraint("service_class IN ('check', 'unlock')", name="service_class"),
        CheckConstraint("NOT next_after_rejection OR service_class = 'unlock'", name="answers_are_final"),
        CheckConstraint("routing IN ('priority', 'cost', 'expected_cost')", name="routing"),
        CheckConstraint("duplicates IN ('refuse', 'return', 'allow', 'recent')", name="duplicates"),
        CheckConstraint("duplicate_hours BETWEEN 0 AND 8760", name="duplicate_hours"),
        CheckConstraint(f"recent_price BETWEEN 0 AND {MAX_PRICE}", name="recent_price"),
        CheckConstraint("confirm_seconds BETWEEN 0 AND 86400", name="confirm_seconds"),
        CheckConstraint("expected_minutes >= 1", name="expected_minutes"),
        CheckConstraint("guaranteed_minutes >= COALESCE(expected_minutes, 1)", name="guaranteed_minutes"),
        Index("ix_services_name_alike", "name", postgresql_using="gist", postgresql_ops={"name": "gist_trgm_ops"}),
    )

    id: Mapped[Id]
    group_id: Mapped[int] = mapped_column(ForeignKey("service_groups.id"), index=True)
    name: Mapped[str]
    code: Mapped[str | None] = mapped_column(unique=True)
    type: Mapped[str]
    device: Mapped[str]
    price: Mapped[int]
    price_source: Mapped[str] = mapped_column(server_default="manual")
    currency: Mapped[str] = mapped_column(String(3))
    takes_quantity: Mapped[bool] = mapped_column(server_default=text("false"))
    min_quantity: Mapped[int] = mapped_column(Integer, server_default="1")
    max_quantity: Mapped[int] = mapped_column(Integer, server_default="1")
    time: Mapped[str] = mapped_column(server_default="")
    info: Mapped[str] = mapped_column(server_default="")
    service_class: Mapped[str] = mapped_column(server_default="check")
    next_after_rejection: Mapped[bool] = mapped_column(server_default=text("false"))
    routing: Mapped[str] = mapped_column(server_default="priority")
    duplicates: Mapped[str] = mapped_column(server_default="refuse")
    duplicate_hours: Mapped[int] = mapped_column(Integer, server_default="0")
    recent_price: Mapped[int | None]
    confirm_seconds: Mapped[int] = mapped_column(Integer, server_default="0")
    expected_minutes: Mapped[int | None] = mapped_column(Integer)
    guaranteed_minutes: Mapped[int | None] = mapped_column(Integer)
    measured_time: Mapped[bool] = mapped_column(server_default=text("false"))
    extensions: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    state: Mapped[str] = mapped_column(server_default="active")
    position: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[Created]

    group: Mapped[ServiceGroup] = relationship(lazy="raise")
    fields: Mapped[list["ServiceField"]] = relationship(
        lazy="raise", order_by="ServiceField.position", cascade="all, delete-orphan"
    )


class ServiceField(Base):
    """An extra input a service wants. ``name`` travels byte for byte, blanks at the ends included."""

    __tablename__ = "service_fields"
    __table_args__ = (
        UniqueConstraint("service_id", "name"),
        CheckConstraint("type IN ('text', 'textarea', 'dropdown', 'radio', 'checkbox', 'date', 'time')", name="type"),
        CheckConstraint("name <> ''", name="name"),
    )

    id: Mapped[Id]
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    name: Mapped[str]
    type: Mapped[str] = mapped_column(server_default="text")
    required: Mapped[bool] = mapped_column(server_default=text("false"))
    description: Mapped[str] = mapped_column(server_default="")
    options: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    pattern: Mapped[str] = mapped_column(server_default="")
    position: Mapped[int] = mapped_column(server_default="0")


class PriceGroup(Base):
    """A set of prices shared by customers of one currency."""

    __tablename__ = "price_groups"
    __table_args__ = (CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[Created]


class GroupPrice(Base):
    """The price of a service for a price group, in micro-units of the group's currency, set by hand or by a rule."""

    __tablename__ = "group_prices"
    __table_args__ = (
        CheckConstraint(f"price BETWEEN 0 AND {MAX_PRICE}", name="price"),
        CheckConstraint("price_source IN ('manual', 'rule')", name="price_source"),
    )

    price_group_id: Mapped[int] = mapped_column(ForeignKey("price_groups.id", ondelete="CASCADE"), primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True, index=True)
    price: Mapped[int]
    price_source: Mapped[str] = mapped_column(server_default="manual")


class CustomerPrice(Base):
    """The price of a service for one customer, in micro-units of the customer's currency; it wins over the group's."""

    __tablename__ = "customer_prices"
    __table_args__ = (CheckConstraint(f"price BETWEEN 0 AND {MAX_PRICE}", name="price"),)

    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True, index=True)
    price: Mapped[int]


class CatalogVersion(Base):
    """One row: a number that rises with every change to what is sold or at what price (triggers see to it)."""

    __tablename__ = "catalog_version"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]
