"""``/services`` and ``/groups``: what is sold to the caller, and at what price."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import AfterValidator, BaseModel, Field

from app.api.v1.bodies import ExactRoute
from app.api.v1.deps import Parts, ServicesReader
from app.api.v1.named import InPath, service_named
from app.api.v1.responses import SERVICE_NOT_FOUND
from app.api.v1.service_out import ServiceOut
from app.api.v1.shelf import Item, Shelf
from app.connectors.base import ServiceType
from app.db import MAX_ID
from app.orders.placing import not_sold
from app.text import storable
from app.web.schemas import DEFAULT_PAGE, MAX_PAGE, Page, Row, RowId

router = APIRouter(tags=["services"], route_class=ExactRoute)

IfNoneMatch = Annotated[str | None, Header(description="An `ETag` from before: the answer is 304 if nothing changed.")]

_ETAG = {"ETag": {"description": "Another one whenever the answer is.", "schema": {"type": "string"}}}
_NOT_MODIFIED = {"description": "Nothing changed since the answer with this `ETag`.", "headers": _ETAG}
_CACHED: dict[int | str, dict[str, Any]] = {
    200: {"description": "What is sold to the caller.", "headers": _ETAG},
    304: _NOT_MODIFIED,
}


async def _shelf(caller: ServicesReader, parts: Parts) -> Shelf:
    return await parts.shelves.of(caller)


OwnShelf = Annotated[Shelf, Depends(_shelf)]


class Wanted(BaseModel):
    """Which services a call asks for."""

    group: RowId | None = Field(None, description="Those of one group, by its id.")
    type: ServiceType | None = None
    search: Annotated[str, AfterValidator(storable)] = Field("", max_length=200)
    cursor: int | None = Field(None, ge=1, le=MAX_ID, description="The `next_cursor` of the page before.")
    limit: int = Field(DEFAULT_PAGE, ge=1, le=MAX_PAGE, description="How many rows a page has, at most.")

    def fits(self, item: Item) -> bool:
        """Say whether a service is asked for, whatever its page."""
        return (
            self.group in (None, item.group_id)
            and (self.type is None or self.type.value == item.type)
            and self.search.strip().lower() in item.words
        )


@router.get("/services", summary="The services", response_model=Page[ServiceOut], responses=_CACHED)
async def list_services(
    shelf: OwnShelf, parts: Parts, wanted: Annotated[Wanted, Query()], if_none_match: IfNoneMatch = None
) -> Response:
    """Services in order of id; ``search`` looks into names, groups and codes."""
    known = await parts.shelves.standing.now()
    found, more = shelf.page(wanted.fits, after=wanted.cursor or 0, limit=wanted.limit)
    following = b'"%d"' % found[-1].id if more else b"null"
    body = b'{"items":[' + b",".join(item.shown(known) for item in found) + b'],"next_cursor":' + following + b"}"
    return _cached(body, if_none_match)


@router.get(
    "/services/{service}", summary="One service", response_model=ServiceOut, responses={**_CACHED, **SERVICE_NOT_FOUND}
)
async def get_service(
    service: InPath, caller: ServicesReader, shelf: OwnShelf, parts: Parts, if_none_match: IfNoneMatch = None
) -> Response:
    """The service with this id or code."""
    item = shelf.item((await service_named(parts, caller, service)).id)
    if item is None:
        raise not_sold()
    return _cached(item.shown(await parts.shelves.standing.now()), if_none_match)


class GroupOut(Row):
    """A group of services, with how many of them are sold to the caller."""

    name: str = Field(examples=["Apple checks"])
    services: int = Field(examples=[12])


@router.get("/groups", summary="The groups of services")
async def list_groups(caller: ServicesReader, shelf: OwnShelf, parts: Parts) -> Page[GroupOut]:
    """The groups with something in them for the caller, in the order in which they are shown."""
    catalog = await parts.catalog.at_least(caller.catalog_version)
    counted: dict[int, int] = {}
    for item in shelf.items:
        counted[item.group_id] = counted.get(item.group_id, 0) + 1
    return Page(
        items=[
            GroupOut(id=group.id, name=group.name, services=counted[group.id])
            for group in catalog.groups
            if group.id in counted
        ],
        next_cursor=None,
    )


def _cached(body: bytes, known: str | None) -> Response:
    """Return a body with its tag, or that it is the one the caller has."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, X-API-Key"}
    if known is not None and (known.strip() == "*" or tag in known.replace("W/", "").replace(",", " ").split()):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
