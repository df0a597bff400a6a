"""Rows of settings that an owner changed."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class HouseSetting(Base):
    """A setting by its name in ``Settings``, written as the environment would have it; without a row, that counts."""

    __tablename__ = "house_settings"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
