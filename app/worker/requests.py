"""Makes of a claimed attempt what a connector takes: their names of fields, the route's fixed values, the file."""

from collections.abc import Mapping, Sequence

from app.connectors.base import File, PlaceRequest, ServiceType
from app.db import Database
from app.orders.attempts import ClaimedAttempt
from app.orders.files import load_files
from app.suppliers.field_names import their_fields


async def requests_for(db: Database, claims: Sequence[ClaimedAttempt]) -> list[PlaceRequest]:
    """Return a request for each claim, in their order."""
    wanted = {claim.file_id for claim in claims if claim.file_id is not None}
    files: dict[int, File] = {}
    if wanted:
        async with db.pool.connection() as conn:
            files = await load_files(conn, wanted)
    return [request_for(claim, files) for claim in claims]


def request_for(claim: ClaimedAttempt, files: Mapping[int, File]) -> PlaceRequest:
    """Return the request of one claim."""
    return PlaceRequest(
        reference=str(claim.attempt_id),
        remote_id=claim.remote_id,
        type=ServiceType(claim.remote_type),
        device=claim.device,
        quantity=claim.quantity,
        fields=their_fields(
            claim.fields, remote_fields=claim.remote_fields, field_map=claim.field_map, fixed=claim.fixed
        ),
        file=files.get(claim.file_id) if claim.file_id is not None else None,
        sent_at=claim.sent_at,
        force=claim.forced,
    )
