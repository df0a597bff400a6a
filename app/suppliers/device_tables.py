"""Rows of what suppliers ask customers to choose from: brands, devices, networks and MEPs."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
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


class RemoteChoice(Base):
    """What may be chosen for one remote service: ``ids`` of devices or networks, none if there is no list for it.

    Only suppliers that tell their lists service by service have such rows; elsewhere everything may be chosen.
    """

    __tablename__ = "remote_choices"
    __table_args__ = (CheckConstraint("kind IN ('device', 'network')", name="kind"),)

    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    remote_id: Mapped[str] = mapped_column(primary_key=True)
    ids: Mapped[list[str]] = mapped_column(ARRAY(Text))
