"""Rows of the alarms: what a person should look at."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created, Id


class Alarm(Base):
    """One trouble with one subject, counted up each time it is seen again until it is closed.

    ``text`` is what was said of it last. An acknowledged alarm goes on counting without becoming open again.
    """

    __tablename__ = "alarms"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'acknowledged', 'closed')", name="state"),
        CheckConstraint("count >= 1", name="count"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_at"),
        Index("uq_alarms_live", "kind", "subject", unique=True, postgresql_where=text("state <> 'closed'")),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    count: Mapped[int] = mapped_column(server_default="1")
    state: Mapped[str] = mapped_column(server_default="open")
    first_seen: Mapped[Created]
    last_seen: Mapped[Created]
    acknowledged_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    closed_at: Mapped[datetime | None]
