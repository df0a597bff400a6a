"""Rows of the people who use the admin, their tokens, and what they sign in with."""

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
    password_hash: Mapped[str | None]
    totp_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_step: Mapped[int] = mapped_column(server_default="0")


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


class StaffSession(Base):
    """A browser that signed in; only the keyed hash of its cookie is kept.

    ``second_factor`` says whether the second factor was shown, ``proved_at`` when the password or a code was last
    asked for, ``totp_offered`` is a secret shown and not yet confirmed, ``flash`` what the next page says once.
    """

    __tablename__ = "staff_sessions"

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    second_factor: Mapped[bool]
    address: Mapped[str]
    agent: Mapped[str]
    created_at: Mapped[Created]
    seen_at: Mapped[Created]
    proved_at: Mapped[Created]
    expires_at: Mapped[datetime]
    totp_offered: Mapped[bytes | None] = mapped_column(LargeBinary)
    flash: Mapped[str | None]


class StaffInvite(Base):
    """The one invitation of a staff member that works: it lets them choose a password, once."""

    __tablename__ = "staff_invites"

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True, autoincrement=False)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Created]
    expires_at: Mapped[datetime]


class StaffRecoveryCode(Base):
    """A code that stands in for the second factor, once; only its keyed hash is kept."""

    __tablename__ = "staff_recovery_codes"

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[datetime | None]


class StaffGuess(Base):
    """How often an account or an address failed to sign in, and when it may try again; accounts by keyed hash."""

    __tablename__ = "staff_guesses"

    subject: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    again_at: Mapped[datetime]
