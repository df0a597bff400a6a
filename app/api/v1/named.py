"""Services as callers name them: by id, or by the code that staff gave them."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, Field

from app.api.v1.deps import ApiDeps
from app.catalog.snapshot import Service
from app.customers.service import Identity
from app.orders.placing import not_sold
from app.text import storable

ServiceName = Annotated[
    str,
    Field(min_length=1, max_length=60, examples=["iphone-carrier"], description="The service's id or code."),
    AfterValidator(storable),
]
InPath = Annotated[ServiceName, Path()]
InQuery = Annotated[ServiceName, Query()]


async def service_named(parts: ApiDeps, caller: Identity, name: str) -> Service:
    """Return the service with this id or code, as the newest catalogue has it; NotSold if it is not the caller's."""
    catalog = await parts.catalog.at_least(caller.catalog_version)
    service = catalog.find(name)
    if service is None or (await parts.shelves.of(caller)).item(service.id) is None:
        raise not_sold()
    return service
