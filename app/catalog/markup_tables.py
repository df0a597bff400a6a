"""Rows of what makes prices: mark-up rules, the changes they lead to, and every price that ever was."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.catalog.tables import MAX_PRICE
from app.db import Base, Created, Id


class MarkupRule(Base):
    """How prices in ``currency`` are made from costs: the list prices, or those of a price group.

    It is for one service, for the services of a group, or for all (neither is named); the nearest rule wins. Amounts
    are micro-units, ``basis_points`` hundredths of a percent. Beyond ``up_percent`` and ``down_percent`` a price waits
    for staff; NULL lets it move by itself however far.
    """

    __tablename__ = "markup_rules"
    __table_args__ = (
        UniqueConstraint(
            "currency",
            "price_group_id",
            "service_group_id",
            "service_id",
            name="uq_markup_rules_scope",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("num_nonnulls(service_group_id, service_id) <= 1", name="scope"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("basis_points BETWEEN 0 AND 1000000", name="basis_points"),
        CheckConstraint(f"fixed BETWEEN 0 AND {MAX_PRICE}", name="fixed"),
        CheckConstraint(f"floor BETWEEN 0 AND {MAX_PRICE}", name="floor"),
        CheckConstraint(f"least_margin BETWEEN 0 AND {MAX_PRICE}", name="least_margin"),
        CheckConstraint(f"rounding_step BETWEEN 1 AND {MAX_PRICE}", name="rounding_step"),
        CheckConstraint("rounding_ending >= 0 AND rounding_ending < rounding_step", name="rounding_ending"),
        CheckConstraint("up_percent BETWEEN 0 AND 1000", name="up_percent"),
        CheckConstraint("down_percent BETWEEN 0 AND 100", name="down_percent"),
        CheckConstraint("cost_basis IN ('first', 'dearest')", name="cost_basis"),
    )

    id: Mapped[Id]
    price_group_id: Mapped[int | None] = mapped_column(ForeignKey("price_groups.id", ondelete="CASCADE"))
    service_group_id: Mapped[int | None] = mapped_column(ForeignKey("service_groups.id", ondelete="CASCADE"))
    service_id: Mapped[int | None] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    currency: Mapped[str] = mapped_column(String(3))
    basis_points: Mapped[int] = mapped_column(Integer, server_default="0")
    fixed: Mapped[int] = mapped_column(server_default="0")
    floor: Mapped[int] = mapped_column(server_default="0")
    least_margin: Mapped[int] = mapped_column(server_default="0")
    rounding_step: Mapped[int] = mapped_column(server_default="1")
    rounding_ending: Mapped[int] = mapped_column(server_default="0")
    up_percent: Mapped[int | None] = mapped_column(Integer, server_default="20")
    down_percent: Mapped[int | None] = mapped_column(Integer, server_default="20")
    cost_basis: Mapped[str] = mapped_column(server_default="dearest")
    created_at: Mapped[Created]


class PriceChange(Base):
    """A price that a rule made of a cost, and what became of it; micro-units of ``currency``.

    ``old`` is NULL where a price group had no price of its own. applied: inside the rule's limits; approved, rejected:
    by staff; undone: taken back by staff. A change that is waiting, rejected or undone stands against the rule until
    ``outdated_at``, when the rule made another price, or none.
    """

    __tablename__ = "price_changes"
    __table_args__ = (
        CheckConstraint("state IN ('applied', 'waiting', 'approved', 'rejected', 'undone')", name="state"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided_at"),
        CheckConstraint(f"new BETWEEN 0 AND {MAX_PRICE}", name="new"),
        Index("ix_price_changes_state", "state", "id"),
        Index("ix_price_changes_service_id", "service_id", "id"),
        Index(
            "uq_price_changes_standing",
            "service_id",
            "price_group_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("outdated_at IS NULL AND state IN ('waiting', 'rejected', 'undone')"),
        ),
    )

    id: Mapped[Id]
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    price_group_id: Mapped[int | None] = mapped_column(ForeignKey("price_groups.id", ondelete="CASCADE"))
    rule_id: Mapped[int | None] = mapped_column(ForeignKey("markup_rules.id", ondelete="SET NULL"))
    currency: Mapped[str] = mapped_column(String(3))
    cost: Mapped[int]
    old: Mapped[int | None]
    new: Mapped[int]
    state: Mapped[str]
    found_at: Mapped[Created]
    decided_at: Mapped[datetime | None]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    outdated_at: Mapped[datetime | None]


class PriceRecord(Base):
    """A price as it was set, changed (``old`` and ``new``) or taken away (``new`` is NULL), written by triggers.

    It is the list price, a price group's or a customer's. What it names may be gone by now: a history outlives.
    ``source`` is manual or rule; ``staff_id`` who was behind it, NULL for a machine or the command line.
    """

    __tablename__ = "price_history"
    __table_args__ = (Index("ix_price_history_service_id", "service_id", "id"),)

    id: Mapped[Id]
    service_id: Mapped[int]
    price_group_id: Mapped[int | None]
    customer_id: Mapped[int | None]
    currency: Mapped[str] = mapped_column(String(3))
    old: Mapped[int | None]
    new: Mapped[int | None]
    source: Mapped[str]
    staff_id: Mapped[int | None]
    at: Mapped[Created]


class PricingDue(Base):
    """A mark that prices are to be made anew, because something that they are made of changed; ``cause`` is its table.

    Marks are added and never changed, so that a reading of a catalogue waits for nobody else's.
    """

    __tablename__ = "pricing_due"

    id: Mapped[Id]
    cause: Mapped[str]
    at: Mapped[Created]
