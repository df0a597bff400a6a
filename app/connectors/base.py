"""The contract of a connector: it translates one supplier protocol and decides nothing.

A connector has no database, does not sleep, does not retry and does not route. It gets its configuration and a
``SupplierHttp``; it returns the words below or raises those of ``connectors.errors``. ``place`` makes at most one HTTP
request that can buy. An unknown status is ``PENDING`` with a ``note``, never a guess.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.connectors.errors import RefusalReason, Refused, Unclear, Unsupported
from app.connectors.http import SupplierHttp
from app.money import Money


class ConnectorConfig(BaseModel):
    """What staff enter to add a supplier of this kind; the form is drawn from its JSON Schema.

    Secrets are ``SecretStr``: they are sealed at rest and never come back out of the API.
    """

    # The input is hidden in errors, because it may be a secret in the wrong place.
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)

    base_url: str = Field(
        min_length=8,
        max_length=500,
        pattern=r"^https?://",
        title="Base URL",
        description="The site's root or the full endpoint as the supplier prints it; both are accepted.",
    )
    read_seconds: int = Field(
        default=60,
        ge=1,
        le=300,
        title="Patience",
        description="How many seconds a reply may take. Too short a time makes orders unclear, not faster.",
    )

    @classmethod
    def in_form(cls, name: str, value: object) -> object:
        """Return a kept value as the form shows it, so that sending the form again changes nothing."""
        del name
        return "\n".join(str(item) for item in value) if isinstance(value, list) else value


class ServiceType(StrEnum):
    """What a service is bought for: a device by IMEI, a credit or activation, a remote session, or a file."""

    IMEI = "imei"
    SERVER = "server"
    REMOTE = "remote"
    FILE = "file"


class FieldType(StrEnum):
    """How a field is entered."""

    TEXT = "text"
    TEXTAREA = "textarea"
    DROPDOWN = "dropdown"
    RADIO = "radio"
    CHECKBOX = "checkbox"
    DATE = "date"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class RemoteField:
    """An extra input that a remote service wants; ``name`` is sent back byte for byte, blanks at the ends included."""

    name: str
    type: FieldType = FieldType.TEXT
    required: bool = False
    description: str = ""
    options: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class RemoteService:
    """One row of a supplier's catalogue.

    ``cost`` is of one piece in micro-units, None if unreadable, and of ``currency``, empty for that of our account
    there. ``opens`` and ``closes`` are "HH:MM" in the IANA time ``zone``, empty for always open.
    """

    remote_id: str
    name: str
    group: str
    type: ServiceType
    cost: int | None
    time: str = ""
    info: str = ""
    min_quantity: int | None = None
    max_quantity: int | None = None
    takes_quantity: bool = False
    takes_serial: bool = False
    fields: tuple[RemoteField, ...] = ()
    currency: str = ""
    opens: str = ""
    closes: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file that travels with an order: what the customer sends in, or a binary result."""

    name: str
    content: bytes
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """One order as a connector sees it.

    ``reference`` is our attempt id in digits: unique, fit to be the key of a bulk row and their own-reference field.
    ``device`` is an IMEI, a serial, or empty for services without one; ``fields`` are keyed by the supplier's names.
    ``file`` is what a file service works on. ``sent_at`` is set for ``find``: when the lost order was sent. ``force``
    is a person's decision to order although the supplier warned of a duplicate; no machine sets it.
    """

    reference: str
    remote_id: str
    type: ServiceType
    device: str = ""
    quantity: int = 1
    fields: Mapping[str, str] = field(default_factory=dict)
    file: File | None = None
    sent_at: datetime | None = None
    force: bool = False


class ReportStatus(StrEnum):
    """What a supplier says of an attempt: still at it, delivered, or took it and could not."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Report:
    """A supplier's word on one order of theirs.

    ``text`` is the result for DONE (never empty) and their reason for FAILED. ``note`` is set when staff should look:
    an unknown status, an ERROR where a status was due; it goes with PENDING and changes nothing. ``file`` is a binary
    result beside the text. ``cost`` (micro-units) is what they charged in the end, if they say so; ``delivered`` how
    many pieces of several they delivered, None for all.
    """

    remote_id: str
    status: ReportStatus
    text: str = ""
    note: str = ""
    file: File | None = None
    cost: int | None = None
    delivered: int | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """They have it under ``remote_id``; ``report`` if they answered at once, ``cost`` (micro-units) if they told."""

    remote_id: str
    report: Report | None = None
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Brand:
    """A maker of devices, under the supplier's id."""

    remote_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Device:
    """A model of a brand, under the supplier's id."""

    remote_id: str
    brand_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Network:
    """A mobile network (DHRU: provider) of a country, under the supplier's id."""

    remote_id: str
    country: str
    name: str


class Choice(StrEnum):
    """What a service may ask customers to choose from a list of the supplier's."""

    DEVICE = "device"
    NETWORK = "network"
    MEP = "mep"


@dataclass(frozen=True, slots=True)
class ChoicesOf:
    """The ids that may be chosen for one remote service, where not everything may; none: there is no list for it."""

    remote_id: str
    choice: Choice
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceCatalog:
    """The devices and networks a supplier knows; ``meps`` are (id, name).

    ``choices`` are the lists of single services, of suppliers that have such. A reading that ended before its end says
    how many parts are ``left`` and names the ``parts`` it has, so that the next one can go on with the others.
    """

    brands: tuple[Brand, ...] = ()
    devices: tuple[Device, ...] = ()
    networks: tuple[Network, ...] = ()
    meps: tuple[tuple[str, str], ...] = ()
    choices: tuple[ChoicesOf, ...] = ()
    parts: tuple[str, ...] = ()
    left: int = 0


@dataclass(frozen=True, slots=True)
class Wording:
    """What staff know of one supplier's wording beyond its kind's tables, and before them; keys are in lower case."""

    refusals: Mapping[str, RefusalReason] = field(default_factory=dict)
    statuses: Mapping[str, ReportStatus] = field(default_factory=dict)


ConfigT = TypeVar("ConfigT", bound=ConnectorConfig)


class Connector(ABC, Generic[ConfigT]):
    """One supplier protocol. Every method may raise ``NotSent``, ``Refused`` or ``Unclear``."""

    title: ClassVar[str]
    config_type: ClassVar[type[ConnectorConfig]]
    check_batch: int = 1
    """How many orders one ``check`` may carry; ask the instance, which may know that this supplier takes fewer."""
    place_batch: int = 1
    """How many orders one ``place_many`` may carry; 1 means that only ``place`` exists. Ask the instance, as above."""
    can_force: ClassVar[bool] = False
    """Whether they take what they call a duplicate all the same when ``PlaceRequest.force`` says so."""
    requests_per_minute: ClassVar[int] = 0
    """How many requests a minute their document allows; it holds until staff say otherwise. 0: it says nothing."""
    paths: ClassVar[Sequence[str]] = ()
    """Where on a site this protocol is found, to look there when a base URL leads nowhere."""
    refusals: ClassVar[Mapping[str, RefusalReason]] = {}
    """Phrases in their error texts (lower case) and what they mean; the first that occurs decides."""
    statuses: ClassVar[Mapping[str, ReportStatus]] = {}
    """Their words or numbers (lower case) for what became of an order; any other is pending and noted."""
    can_be_asked: ClassVar[bool] = True
    """Whether ``check`` can ever learn what became of a placed order; if not, a person enters it."""

    def __init__(self, config: ConfigT, http: SupplierHttp) -> None:
        self.config = config
        self.http = http
        self.wording = Wording()

    @abstractmethod
    async def balance(self) -> Money | None:
        """Return what our account there holds; None if this supplier has no balance call."""

    @abstractmethod
    async def catalog(self) -> Sequence[RemoteService]:
        """Return everything this account may order, each ``remote_id`` once.

        Raises ``Unclear`` for a list that cannot be read as one; an empty list is an answer and returned as such.
        """

    @abstractmethod
    async def place(self, request: PlaceRequest) -> Placed:
        """Order once, with at most one HTTP request that can buy."""

    async def place_many(self, requests: Sequence[PlaceRequest]) -> Mapping[str, Placed | Refused | Unclear]:
        """Order up to ``place_batch`` at once; the outcome of each by its ``reference``.

        None of them has a file. A reference that is missing from the answer is unclear. An exception speaks for all of
        them. ``Unsupported`` is proof that nothing was bought: this supplier has no bulk call, the instance has lowered
        its ``place_batch`` to 1, and each order may be sent by ``place``.
        """
        raise Unsupported("no bulk placing")

    @abstractmethod
    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return a report for each of at most ``check_batch`` orders that the supplier said anything about.

        ``Unsupported`` for more than one: no bulk call there, ``check_batch`` is 1 from now on; ask again one by one.
        """

    async def find(self, request: PlaceRequest) -> Placed | None:
        """Look whether a lost order arrived after all; None if it provably did not."""
        raise Unsupported("no way to look up a lost order")

    async def cancel(self, remote_id: str) -> Report:
        """Ask the supplier to cancel; the report says what became of the order."""
        raise Unsupported("no cancel call")

    async def hurry(self, remote_id: str) -> Report:
        """Ask the supplier, for a person, to end the waiting with whatever it has; the report says what that was."""
        raise Unsupported("no way to hurry an order")

    def webhook(self, headers: Mapping[str, str], body: bytes) -> str:
        """Verify a call the supplier made to us and return the id of the order it speaks of.

        ``headers`` have lower-case names. Nothing else in it is believed: the order is read again with ``check``.
        Raises ``Refused`` with BAD_CREDENTIALS for a wrong signature, BAD_INPUT for a body that names no order.
        """
        raise Unsupported("this supplier calls nobody")

    async def device_catalog(
        self, asking: Mapping[str, Collection[Choice]] = MappingProxyType({}), done: Collection[str] = ()
    ) -> DeviceCatalog:
        """Return the devices and networks this supplier asks customers to choose from.

        ``asking`` are the remote services that ask for a choice, by id, the most needed first: where lists are told
        service by service, no others are asked for. ``done`` are the parts that the readings before this one had.
        What was read before an error is returned; the error is raised only if that is nothing.
        """
        raise Unsupported("no device catalogue")

    async def services_for(self, device_id: str, network_id: str) -> Sequence[RemoteService]:
        """Return what the supplier offers for one device on one network, where the catalogue is too large to list."""
        raise Unsupported("the catalogue does not depend on the device")

    @classmethod
    async def knock(cls, http: SupplierHttp, root: str) -> str:
        """Return as what this protocol answers at the site ``root`` when asked without credentials, empty if not."""
        del http, root
        return ""

    def refusal(self, text: str) -> RefusalReason:
        """Classify their error text by our words for this supplier, then by ``refusals``; OTHER if neither knows it."""
        lowered = text.lower()
        known = itertools.chain(self.wording.refusals.items(), self.refusals.items())
        return next((reason for phrase, reason in known if phrase in lowered), RefusalReason.OTHER)

    def status_of(self, word: str) -> ReportStatus | None:
        """Read a status, in lower case, by our words for this supplier, then by ``statuses``; None if it is unknown."""
        return self.wording.statuses.get(word) or self.statuses.get(word)
