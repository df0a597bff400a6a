"""Rows of the people who use the admin, and of their tokens."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created, Id


class Staff(Base):
    """Someone who runs the business. The role says what they may do."""

    __tablename__ = "staff"
    __table_args__ = (
        CheckConstraint("role IN ('owner', 'operator', 'finance', 'read_only')", name="role"),
        CheckConstraint("state IN ('active', 'suspended')", name="state"),
    )

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="active")
    created_at: Mapped[Created]
    login_id: Mapped[int] = mapped_column(ForeignKey("logins.id"), unique=True)


class StaffToken(Base):
    """A bearer token of a staff member for the staff JSON API; only its keyed hash is kept."""

    __tablename__ = "staff_tokens"

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    label: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[Created]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
