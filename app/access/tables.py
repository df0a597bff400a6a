"""Rows of logins: what people sign in with in a browser, and the browsers that did."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created, Id


class Login(Base):
    """What somebody signs in with; a row of staff or of customers says whose it is. Without a password nobody can."""

    __tablename__ = "logins"

    id: Mapped[Id]
    password_hash: Mapped[str | None]
    totp_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_step: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[Created]


class LoginSession(Base):
    """A browser that signed in; only the keyed hash of its cookie is kept.

    ``second_factor`` says whether the second factor was shown, ``proved_at`` when the password or a code was last
    asked for, ``totp_offered`` is a secret shown and not yet confirmed, ``flash`` what the next page says once.
    """

    __tablename__ = "login_sessions"

    id: Mapped[Id]
    login_id: Mapped[int] = mapped_column(ForeignKey("logins.id"), index=True)
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


class LoginInvite(Base):
    """The one invitation of a login that works: it lets somebody choose its password, once."""

    __tablename__ = "login_invites"

    login_id: Mapped[int] = mapped_column(ForeignKey("logins.id"), primary_key=True, autoincrement=False)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Created]
    expires_at: Mapped[datetime]


class LoginRecoveryCode(Base):
    """A code that stands in for the second factor, once; only its keyed hash is kept."""

    __tablename__ = "login_recovery_codes"

    id: Mapped[Id]
    login_id: Mapped[int] = mapped_column(ForeignKey("logins.id"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[datetime | None]


class LoginGuess(Base):
    """How often an account or an address failed to sign in, and when it may try again; accounts by keyed hash."""

    __tablename__ = "login_guesses"

    subject: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    again_at: Mapped[datetime]
