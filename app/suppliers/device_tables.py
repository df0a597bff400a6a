"""Rows of what suppliers ask customers to choose from: brands, devices, networks and MEPs."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Id


class DeviceEntry(Base):
    """One brand, device, network or MEP of a supplier, under the supplier's id.

    They are one table because they are one thing: a name to choose, under an id. ``parent`` is the id of a device's
    brand or the name of a network's country, and empty for the others.
    """

    __tablename__ = "device_entries"
    __table_args__ = (
        UniqueConstraint("supplier_id", "kind", "remote_id"),
        CheckConstraint("kind IN ('brand', 'device', 'network', 'mep')", name="kind"),
        CheckConstraint("remote_id <> ''", name="remote_id"),
        Index("ix_device_entries_parent", "supplier_id", "kind", "parent", "id"),
    )

    id: Mapped[Id]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    kind: Mapped[str]
    remote_id: Mapped[str]
    parent: Mapped[str]
    name: Mapped[str]
