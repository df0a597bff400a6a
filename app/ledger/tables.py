"""Rows of the ledger: accounts, and transfers that are never changed."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Numeric, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created, Id


class Account(Base):
    """Somewhere money can be: a customer's credit, or one of the system's own accounts per currency.

    Only customer accounts keep a running ``balance``; a system account's balance is the sum of its transfers, so that
    no row is written by every order.

    ``credit_days`` is how old a debt may become, NULL for any age; while one is older the account is ``overdue``, and
    nothing more is sold on credit. Below ``low_balance`` the customer wants to be told.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("role IN ('customer', 'funding', 'escrow', 'sales', 'adjustments')", name="role"),
        CheckConstraint("(role = 'customer') = (customer_id IS NOT NULL)", name="owner"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("credit_limit >= 0", name="credit_limit"),
        CheckConstraint("credit_days BETWEEN 1 AND 3650", name="credit_days"),
        CheckConstraint("customer_id IS NULL OR balance + credit_limit >= 0", name="covered"),
        CheckConstraint("customer_id IS NOT NULL OR balance = 0", name="system_balance_is_derived"),
        Index("uq_accounts_system", "role", "currency", unique=True, postgresql_where=text("customer_id IS NULL")),
    )

    id: Mapped[Id]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"), unique=True)
    role: Mapped[str]
    currency: Mapped[str] = mapped_column(String(3))
    balance: Mapped[int] = mapped_column(server_default="0")
    credit_limit: Mapped[int] = mapped_column(server_default="0")
    credit_days: Mapped[int | None] = mapped_column(Integer)
    overdue: Mapped[bool] = mapped_column(server_default=text("false"))
    low_balance: Mapped[int | None]
    created_at: Mapped[Created]


class ExchangeRate(Base):
    """What one unit of a currency was worth in the base currency from a moment on; the base's own rate is 1."""

    __tablename__ = "exchange_rates"
    __table_args__ = (
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("rate > 0", name="rate"),
    )

    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    valid_from: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())
    rate: Mapped[Decimal] = mapped_column(Numeric(24, 12))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class Transfer(Base):
    """One movement: ``amount`` micro-units leave the debit account and enter the credit account.

    charge     customer -> escrow      with the order
    settle     escrow -> sales         the order was completed, or the part of it that was delivered
    refund     escrow -> customer      the order was rejected, or the part of it that was not delivered
    reverse    sales -> customer       a completed order was rejected by staff
    topup      funding -> customer     ``reference`` makes it happen once
    adjust     adjustments <-> customer, by staff with a reason; ``reference`` makes it happen once
    """

    __tablename__ = "transfers"
    __table_args__ = (
        CheckConstraint("kind IN ('charge', 'settle', 'refund', 'reverse', 'topup', 'adjust')", name="kind"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("debit_id <> credit_id", name="two_accounts"),
        CheckConstraint(
            "(kind IN ('charge', 'settle', 'refund', 'reverse')) = (order_id IS NOT NULL)", name="order_kinds"
        ),
        CheckConstraint("kind <> 'topup' OR reference IS NOT NULL", name="topup_reference"),
        CheckConstraint("kind IN ('topup', 'adjust') OR reference IS NULL", name="reference_kinds"),
        CheckConstraint("kind NOT IN ('adjust', 'reverse') OR reason IS NOT NULL", name="reason"),
        Index("uq_transfers_charge", "order_id", unique=True, postgresql_where=text("kind = 'charge'")),
        Index("uq_transfers_settle", "order_id", unique=True, postgresql_where=text("kind = 'settle'")),
        Index("uq_transfers_refund", "order_id", unique=True, postgresql_where=text("kind = 'refund'")),
        Index("uq_transfers_reverse", "order_id", unique=True, postgresql_where=text("kind = 'reverse'")),
        Index("uq_transfers_topup", "credit_id", "reference", unique=True, postgresql_where=text("kind = 'topup'")),
        # The pair of accounts, whichever way it went: the customer's own and the adjustments of the currency.
        Index(
            "uq_transfers_adjust",
            text("LEAST(debit_id, credit_id)"),
            text("GREATEST(debit_id, credit_id)"),
            "reference",
            unique=True,
            postgresql_where=text("kind = 'adjust'"),
        ),
        Index("ix_transfers_debit_id", "debit_id", "id"),
        Index("ix_transfers_credit_id", "credit_id", "id"),
        # Rows lie in the order of their making: where a day begins and ends costs next to nothing to know.
        Index("ix_transfers_created_at", "created_at", postgresql_using="brin"),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    debit_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    credit_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    reference: Mapped[str | None]
    reason: Mapped[str | None]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    # Not the time of the transaction's beginning: within an account, later lines have later times.
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
