"""A person as a supplier: nothing is sent anywhere; an order waits until staff enter its result or give it up.

What that person can do is typed into the config, one service a line: ``code | name | cost``, then if wanted the type,
the group, and the inputs, separated by commas and with ``*`` behind the required ones:

    unlock-at-t | AT&T unlock, any model | 12.50
    remote | Remote session, one hour | 20 | remote | By appointment | TeamViewer id*, Phone number
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from app.connectors._amounts import read_amount
from app.connectors.base import (
    Connector,
    ConnectorConfig,
    Placed,
    PlaceRequest,
    RemoteField,
    RemoteService,
    Report,
    ReportStatus,
    ServiceType,
)
from app.connectors.errors import RefusalReason, Refused
from app.money import check_currency

_LINE = ("code", "name", "cost", "type", "group", "fields")


class ManualService(BaseModel):
    """One service that a person renders; the ``cost`` of a piece is decimal text. A name of ``fields`` that ends in
    ``*`` is required."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)

    code: str = Field(min_length=1, max_length=100)
    name: str = Field(min_length=1, max_length=300)
    cost: str = Field(min_length=1, max_length=30)
    type: ServiceType = ServiceType.IMEI
    group: str = Field(default="By hand", max_length=200)
    fields: tuple[str, ...] = Field(default=(), max_length=50)

    @field_validator("cost", mode="after")
    @classmethod
    def _is_amount(cls, value: str) -> str:
        if read_amount(value) is None:
            raise ValueError("a cost is a decimal such as 12.50")
        return value


def _from_lines(value: object) -> object:
    """The lines of a form's text area as the list they stand for; anything else as it is."""
    return [_from_line(line) for line in value.splitlines() if line.strip()] if isinstance(value, str) else value


def _from_line(line: str) -> dict[str, Any]:
    parts = [part.strip() for part in line.split("|")]
    if not 3 <= len(parts) <= len(_LINE):
        raise ValueError("a line is: code | name | cost, then if wanted type | group | inputs")
    found: dict[str, Any] = {name: part for name, part in zip(_LINE, parts, strict=False) if part}
    if "fields" in found:
        found["fields"] = [name.strip() for name in found["fields"].split(",") if name.strip()]
    return found


def _as_line(service: ManualService) -> str:
    parts = [service.code, service.name, service.cost, service.type.value, service.group, ", ".join(service.fields)]
    return " | ".join(parts if service.fields else parts[:-1])


class ManualConfig(ConnectorConfig):
    """What a person renders for us, as they told us."""

    base_url: str = Field(default="", max_length=500, title="Address", description="Not needed: nothing is sent.")
    currency: str = Field(default="", title="Currency", description="In which this person is paid, e.g. USD.")
    services: Annotated[
        tuple[ManualService, ...],
        BeforeValidator(_from_lines),
        # A form draws the first; scripts may send the second.
        WithJsonSchema({"anyOf": [{"type": "string", "format": "textarea"}, {"type": "array"}]}),
    ] = Field(
        default=(),
        max_length=2_000,
        title="Services",
        description="One a line: code | name | cost, then if wanted type | group | inputs (* behind required ones).",
    )

    @classmethod
    def in_form(cls, name: str, value: object) -> object:
        """Return the services as lines."""
        if name == "services" and isinstance(value, list):
            return "\n".join(_as_line(ManualService.model_validate(service)) for service in value)
        return super().in_form(name, value)

    @field_validator("currency")
    @classmethod
    def _is_currency(cls, value: str) -> str:
        return check_currency(value.upper()) if value else ""

    @field_validator("services")
    @classmethod
    def _codes_differ(cls, value: tuple[ManualService, ...]) -> tuple[ManualService, ...]:
        if len({service.code for service in value}) != len(value):
            raise ValueError("two services have the same code")
        return value


class ManualConnector(Connector[ManualConfig]):
    """Takes every order of its services and says nothing of it until a person does."""

    title = "By hand"
    config_type = ManualConfig
    check_batch = 100
    can_be_asked = False

    async def balance(self) -> None:
        """Return None: nobody keeps an account."""

    async def catalog(self) -> Sequence[RemoteService]:
        """Return the services of the config."""
        return tuple(
            RemoteService(
                service.code,
                service.name,
                service.group,
                service.type,
                read_amount(service.cost, self.config.currency),
                takes_quantity=service.type is ServiceType.SERVER,
                takes_serial=service.type is ServiceType.IMEI,
                fields=tuple(
                    RemoteField(name.rstrip("*").rstrip(), required=name.endswith("*")) for name in service.fields
                ),
                currency=self.config.currency,
            )
            for service in self.config.services
        )

    async def place(self, request: PlaceRequest) -> Placed:
        """Return it as placed under our own reference; ``Refused`` for a service that was taken off the list."""
        if not any(service.code == request.remote_id for service in self.config.services):
            raise Refused(RefusalReason.SERVICE_OFF, "this service is no longer on the list")
        return Placed(request.reference)

    async def check(self, remote_ids: Sequence[str]) -> Sequence[Report]:
        """Return every order as pending: its result is entered, not asked for."""
        return [Report(remote_id, ReportStatus.PENDING) for remote_id in remote_ids]
