"""A service as the REST API shows it."""

from typing import Any

from pydantic import BaseModel, Field

from app.api.v1.field_schema import schema_of
from app.catalog.snapshot import Service
from app.connectors.base import ServiceType
from app.money import format_amount
from app.suppliers.offers import Availability, Offer
from app.web.schemas import Decimals, Row


class GroupRef(BaseModel):
    """The group that a service is in."""

    id: int = Field(examples=[4])
    name: str = Field(examples=["Apple checks"])


class QuantityOut(BaseModel):
    """How many pieces one order may be of."""

    min: int = Field(examples=[1])
    max: int = Field(examples=[1])


class DeliveryOut(BaseModel):
    """How long a result takes: as the list says it, and as measured over the last days (null: too few deliveries)."""

    text: str = Field(examples=["1-5 Minutes"])
    usual_seconds: int | None = Field(examples=[95], description="Half of the results came within this time.")
    longest_seconds: int | None = Field(examples=[290], description="95 of 100 results came within this time.")


class ServiceOut(Row):
    """A service that is sold to the caller, at the caller's price."""

    code: str | None = Field(examples=["iphone-carrier"], description="A name for programs, where one was given.")
    name: str = Field(examples=["iPhone carrier check"])
    group: GroupRef
    type: ServiceType
    device: str = Field(
        examples=["imei"],
        description="What an order's `device` holds: `imei`, `serial`, `imei_or_serial`, or `none` for free text.",
    )
    price: Decimals = Field(description="Of one piece, for this key's account.")
    currency: str = Field(examples=["USD"])
    quantity: QuantityOut | None = Field(description="null: sold one at a time.")
    info: str = Field(examples=["Carrier and SIM lock of an iPhone."], description="May hold HTML, as over DHRU.")
    extensions: list[str] = Field(
        examples=[["bcl"]], description="What the files of a file service may end in; none: any."
    )
    fields: dict[str, Any] = Field(
        description="A JSON Schema of what an order's `fields` have to be. All values are strings.",
        examples=[
            {
                "type": "object",
                "properties": {"Email": {"type": "string", "title": "Email", "x-type": "text", "maxLength": 4000}},
                "required": ["Email"],
            }
        ],
    )
    availability: Availability
    delivery: DeliveryOut


def steady(service: Service, group: str, price: int, currency: str) -> dict[str, Any]:
    """Return what of a ``ServiceOut`` changes with the catalogue alone; ``price`` is in micro-units of ``currency``."""
    limits = {"min": service.min_quantity, "max": service.max_quantity}
    return {
        "id": service.id,
        "code": service.code,
        "name": service.name,
        "group": {"id": service.group_id, "name": group},
        "type": service.type.value,
        "device": service.device,
        "price": format_amount(price),
        "currency": currency,
        "quantity": limits if service.takes_quantity else None,
        "info": service.info,
        "extensions": service.extensions,
        "fields": schema_of(service.fields),
    }


def passing(offer: Offer, text: str) -> dict[str, Any]:
    """Return the rest of a ``ServiceOut``: how the service stands now; ``text`` is how long lists say it takes."""
    delivery = {"text": text, "usual_seconds": offer.usual_seconds, "longest_seconds": offer.longest_seconds}
    return {"availability": offer.availability.value, "delivery": delivery}
