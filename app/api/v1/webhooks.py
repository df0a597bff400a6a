"""``/webhooks``: where the caller wants to be told of what, and what became of each message."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.v1.bodies import ExactRoute
from app.api.v1.deps import Parts, Transaction, WebhooksManager
from app.api.v1.responses import CONFLICT, NOT_FOUND, WITH_BODY
from app.ledger.service import low_balance_of, set_low_balance
from app.money import format_amount
from app.web.schemas import (
    DEFAULT_PAGE,
    Amount,
    Body,
    Cursor,
    Decimals,
    Deleted,
    Listing,
    Page,
    PageSize,
    PathId,
    Row,
    Timestamp,
)
from app.webhooks import endpoints, log
from app.webhooks.endpoints import LONGEST_OVERLAP, MAX_LABEL, OVERLAP, Endpoint, NewSecret
from app.webhooks.events import ping
from app.webhooks.kinds import SUBSCRIBED
from app.webhooks.log import Delivery, DeliveryRow

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=ExactRoute)

_HOUR = timedelta(hours=1)
_EVENTS = sorted(SUBSCRIBED)

Url = Annotated[str, Field(max_length=2_000, examples=["https://shop.example/trunkline"])]
Events = Annotated[
    list[str],
    Field(max_length=len(_EVENTS), description=f"One or more of {', '.join(_EVENTS)}.", examples=[["order.completed"]]),
]
Label = Annotated[str, Field(max_length=MAX_LABEL, examples=["Shop"])]


class EndpointOut(Row):
    """Where messages go. The one without a `url` stands for the `callback_url` of single orders.

    `paused_because` is set if it failed for days; set active again, it is sent what was held. Until `overlap_until`
    messages carry a signature of the secret before, too.
    """

    url: str | None
    label: str
    events: list[str]
    state: Literal["active", "paused"]
    paused_because: str | None
    failures: int = Field(description="Failures in a row, since it last took a message.")
    failing_since: Timestamp | None
    overlap_until: Timestamp | None
    created_at: Timestamp


class SecretOut(EndpointOut):
    """An endpoint with its signing secret."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class NewEndpoint(Body):
    """An endpoint to add."""

    url: Url
    events: Events
    label: Label = ""


class EndpointChanges(Body):
    """What to change; what is left out stays."""

    url: Url | None = None
    events: Events | None = None
    label: Label | None = None
    state: Literal["active", "paused"] | None = None


class Rotation(Body):
    """How long the secret before goes on to sign."""

    overlap_hours: int = Field(OVERLAP // _HOUR, ge=0, le=LONGEST_OVERLAP // _HOUR)


class DeliveryRowOut(Row):
    """A message to one endpoint, as lists have it: `status`, `error` and `reply` (an excerpt) are of the last attempt.

    `message_id` is the `webhook-id` that the receiver sees, the same at every attempt; `url` is set for the callback of
    an order. `held` messages wait for their endpoint to be set active.
    """

    message_id: str = Field(examples=["msg_17"])
    type: str = Field(examples=["order.completed"])
    subject: str = Field(examples=["order 4711"])
    sandbox: bool
    url: str | None
    state: Literal["waiting", "sending", "delivered", "failed", "held"]
    attempts: int
    due_at: Timestamp | None
    status: int | None = Field(examples=[200])
    error: str | None
    reply: str | None
    sent_at: Timestamp | None
    closed_at: Timestamp | None
    created_at: Timestamp


class DeliveryOut(DeliveryRowOut):
    """A message to one endpoint, with its data."""

    data: dict[str, Any]


class LowBalance(Body):
    """Below which balance `balance.low` is sent, in the account's currency; null for never."""

    threshold: Amount | None = Field(examples=["50.00"])


class LowBalanceOut(BaseModel):
    """Below which balance `balance.low` is sent."""

    threshold: Decimals | None
    currency: str = Field(examples=["USD"])


@router.get("", summary="The endpoints")
async def list_endpoints(caller: WebhooksManager, conn: Transaction) -> Listing[EndpointOut]:
    """All of them, in the order they came; there are never many."""
    return Listing(items=[_out(one) for one in await endpoints.list_endpoints(conn, caller.customer_id)])


@router.post("", status_code=201, summary="Add an endpoint", responses={**WITH_BODY, **CONFLICT})
async def add_endpoint(caller: WebhooksManager, conn: Transaction, parts: Parts, body: NewEndpoint) -> SecretOut:
    """The answer holds the secret that its messages are signed with. It is not shown again, but can be replaced."""
    new = await endpoints.add_endpoint(
        conn,
        parts.sealer,
        parts.webhook_rules,
        caller.customer_id,
        url=body.url,
        events=body.events,
        label=body.label,
    )
    return _with_secret(new)


@router.get("/callbacks", summary="The secret of orders' callbacks", responses=NOT_FOUND)
async def get_callbacks(caller: WebhooksManager, conn: Transaction, parts: Parts) -> SecretOut:
    """What messages to the `callback_url` of orders are signed with; there is none before the first such order."""
    return _with_secret(await endpoints.callbacks_of(conn, parts.sealer, caller.customer_id))


@router.get("/low-balance", summary="The balance below which to be told")
async def get_low_balance(caller: WebhooksManager, conn: Transaction) -> LowBalanceOut:
    """`balance.low` is sent once each time that the balance falls below it."""
    return _threshold(await low_balance_of(conn, caller.customer_id), caller.currency)


@router.put("/low-balance", summary="Set the balance below which to be told", responses=WITH_BODY)
async def put_low_balance(caller: WebhooksManager, conn: Transaction, body: LowBalance) -> LowBalanceOut:
    """Nothing is sent for a balance that is below it already."""
    await set_low_balance(conn, caller.customer_id, body.threshold)
    return _threshold(body.threshold, caller.currency)


@router.get("/{endpoint_id}", summary="One endpoint", responses=NOT_FOUND)
async def get_endpoint(caller: WebhooksManager, conn: Transaction, endpoint_id: PathId) -> EndpointOut:
    """Whether it works, and since when it does not."""
    return _out(await endpoints.get_endpoint(conn, caller.customer_id, endpoint_id))


@router.patch("/{endpoint_id}", summary="Change an endpoint", responses={**NOT_FOUND, **WITH_BODY})
async def change_endpoint(
    caller: WebhooksManager, conn: Transaction, parts: Parts, endpoint_id: PathId, body: EndpointChanges
) -> EndpointOut:
    """Paused, it is sent nothing; what waits is held until it is active again."""
    changed = await endpoints.change_endpoint(
        conn,
        parts.webhook_rules,
        caller.customer_id,
        endpoint_id,
        url=body.url,
        events=body.events,
        label=body.label,
        state=body.state,
    )
    return _out(changed)


@router.delete("/{endpoint_id}", summary="Remove an endpoint", responses={**NOT_FOUND, **CONFLICT})
async def remove_endpoint(caller: WebhooksManager, conn: Transaction, endpoint_id: PathId) -> Deleted:
    """What waits for it is not sent any more, and its log goes with it."""
    await endpoints.remove_endpoint(conn, caller.customer_id, endpoint_id)
    return Deleted()


@router.post("/{endpoint_id}/rotate", summary="Replace the secret", responses={**NOT_FOUND, **WITH_BODY})
async def rotate_secret(
    caller: WebhooksManager, conn: Transaction, parts: Parts, endpoint_id: PathId, body: Rotation
) -> SecretOut:
    """The answer holds the new secret; the one before signs too until the overlap is over."""
    overlap = timedelta(hours=body.overlap_hours)
    return _with_secret(
        await endpoints.rotate_secret(conn, parts.sealer, caller.customer_id, endpoint_id, overlap=overlap)
    )


@router.post("/{endpoint_id}/test", status_code=202, summary="Send a test message", responses={**NOT_FOUND, **CONFLICT})
async def send_test(caller: WebhooksManager, conn: Transaction, endpoint_id: PathId) -> DeliveryOut:
    """A `test.ping` goes out within a second, even to a paused endpoint; its delivery tells what became of it."""
    await endpoints.check_testable(conn, caller.customer_id, endpoint_id)
    number = await ping(conn, caller.customer_id, endpoint_id)
    return _delivery(await log.get_delivery(conn, caller.customer_id, endpoint_id, number))


@router.get("/{endpoint_id}/deliveries", summary="The log of deliveries", responses=NOT_FOUND)
async def list_deliveries(
    caller: WebhooksManager,
    conn: Transaction,
    endpoint_id: PathId,
    *,
    state: Annotated[Literal["waiting", "sending", "delivered", "failed", "held"] | None, Query()] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_PAGE,
) -> Page[DeliveryRowOut]:
    """The newest first, without their data; what is older than 30 days is forgotten."""
    rows = await log.list_deliveries(conn, caller.customer_id, endpoint_id, state=state, before=cursor, limit=limit + 1)
    return Page.of([DeliveryRowOut(**_shown(row)) for row in rows], limit)


@router.get("/{endpoint_id}/deliveries/{delivery_id}", summary="One delivery", responses=NOT_FOUND)
async def get_delivery(
    caller: WebhooksManager, conn: Transaction, endpoint_id: PathId, delivery_id: PathId
) -> DeliveryOut:
    """What was sent, and what the receiver said."""
    return _delivery(await log.get_delivery(conn, caller.customer_id, endpoint_id, delivery_id))


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/resend",
    status_code=202,
    summary="Send it again",
    responses={**NOT_FOUND, **CONFLICT},
)
async def resend(caller: WebhooksManager, conn: Transaction, endpoint_id: PathId, delivery_id: PathId) -> DeliveryOut:
    """Under the same `webhook-id`, whatever became of it before."""
    return _delivery(await log.resend(conn, caller.customer_id, endpoint_id, delivery_id))


def _out(endpoint: Endpoint) -> EndpointOut:
    return EndpointOut.model_validate(endpoint, from_attributes=True)


def _with_secret(new: NewSecret) -> SecretOut:
    return SecretOut(**_out(new.endpoint).model_dump(), secret=new.secret)


def _delivery(row: Delivery) -> DeliveryOut:
    return DeliveryOut(**_shown(row), data=row.body)


def _shown(row: DeliveryRow) -> dict[str, Any]:
    return {"type": row.kind} | {name: getattr(row, name) for name in DeliveryRowOut.model_fields if name != "type"}


def _threshold(threshold: int | None, currency: str) -> LowBalanceOut:
    return LowBalanceOut(threshold=None if threshold is None else format_amount(threshold), currency=currency)
