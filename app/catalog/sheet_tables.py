"""Rows of what staff bring in as CSV."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Created, Id


class Sheet(Base):
    """A file as it was sent in, kept between the look at what it would change and the change itself, for a day."""

    __tablename__ = "sheets"
    __table_args__ = (CheckConstraint("kind IN ('prices', 'routes')", name="kind"),)

    id: Mapped[Id]
    kind: Mapped[str]
    content: Mapped[str]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[Created]
    applied_at: Mapped[datetime | None]
