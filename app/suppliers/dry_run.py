"""Exactly what an order over a route would send: the connector makes its request, and nothing leaves the machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx2

from app.connectors.base import File, PlaceRequest, ServiceType
from app.connectors.errors import ConnectorError, NotSent
from app.connectors.http import Exchange
from app.db import Database
from app.errors import Conflict, NotFound
from app.sealing import Sealer
from app.suppliers.field_names import their_fields
from app.suppliers.service import connect, get

_REFERENCE = "1"
"""Stands for the number that the attempt would have."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would be sent, without secrets: the requests up to the first whose reply the next depends on.

    ``fields`` are those of the order by the supplier's names. ``said`` is how the connector ended, where it was not
    for want of a reply: it would refuse the order itself, or asks nobody.
    """

    fields: Mapping[str, str]
    requests: Sequence[Exchange]
    said: str


class _Nowhere(httpx2.AsyncBaseTransport):
    """Stands in for the network and lets nothing out."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Refuse the request as a host does that cannot be reached."""
        raise httpx2.ConnectError("a dry run sends nothing", request=request)


async def dry_run(
    db: Database, sealer: Sealer, route_id: int, *, device: str, quantity: int, fields: Mapping[str, str]
) -> DryRun:
    """Return what an order with these inputs would send over a route.

    NotFound, and Conflict if the supplier's settings cannot be read.
    """
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT m.supplier_id, m.remote_id, m.type, m.fields, r.field_map, r.fixed FROM routes r"
            " JOIN remote_services m ON m.id = r.remote_service_id WHERE r.id = %s",
            (route_id,),
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFound("There is no such route.")
        account = await get(conn, row["supplier_id"])
    kind = ServiceType(row["type"])
    request = PlaceRequest(
        reference=_REFERENCE,
        remote_id=row["remote_id"],
        type=kind,
        device=device,
        quantity=quantity,
        fields=their_fields(fields, remote_fields=row["fields"], field_map=row["field_map"], fixed=row["fixed"]),
        file=File("example.bin", b"an example") if kind is ServiceType.FILE else None,
    )
    try:
        connector = connect(account, sealer, transport=_Nowhere())
    except (ValueError, KeyError):
        raise Conflict("The supplier's settings cannot be read with this SECRET_KEY; enter them again.") from None
    try:
        with connector.http.recording() as requests:
            said = ""
            try:
                await connector.place(request)
            except NotSent as error:
                said = "" if requests else error.text
            except ConnectorError as error:
                said = error.text
    finally:
        await connector.http.aclose()
    return DryRun(request.fields, requests, said)
