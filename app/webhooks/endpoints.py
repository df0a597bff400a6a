"""Endpoints: where customers are told, set up by themselves, their secrets shown once and kept sealed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.alarms.service import AlarmKind, about_customer, end_alarms
from app.clock import now
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.sealing import SHOWN_AGAIN, Sealer
from app.webhooks.destinations import Rules
from app.webhooks.kinds import SUBSCRIBED, EventKind
from app.webhooks.services_changed import forget_told, remember_told
from app.webhooks.signing import new_secret

MAX_ENDPOINTS = 10
MAX_LABEL = 100
OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as its customer sees it; without a ``url`` it stands for the callbacks of orders.

    Until ``overlap_until`` messages are signed with the secret before, too. ``paused_because`` is set if the machine
    paused it.
    """

    id: int
    url: str | None
    label: str
    events: list[str]
    state: str
    paused_because: str | None
    failures: int
    failing_since: datetime | None
    overlap_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with the secret that was just made for it; the only time that it is shown."""

    endpoint: Endpoint
    secret: str


_ENDPOINTS = (
    "SELECT id, url, label, events, state, paused_because, failures, failing_since,"
    " CASE WHEN overlap_until > now() THEN overlap_until END AS overlap_until, created_at FROM webhook_endpoints"
)


async def add_endpoint(
    conn: Connection,
    sealer: Sealer,
    rules: Rules,
    customer_id: int,
    *,
    url: str,
    events: Sequence[str],
    label: str = "",
    once: str | None = None,
) -> NewSecret:
    """Add an endpoint and return it with its secret. ``conn`` is inside a transaction.

    What is asked for twice with one ``once`` is added once, and its secret shown again for some minutes. Raises Invalid
    for a URL, a label or events that cannot be, Conflict for an endpoint too many.
    """
    url, events, label = str(rules.check(url)), _events(events), _label(label)
    # One customer's additions go one after another, so that the limit holds.
    await conn.execute("SELECT 1 FROM customers WHERE id = %s FOR NO KEY UPDATE", (customer_id,))
    there = [one for one in await list_endpoints(conn, customer_id) if one.url is not None]
    secret = _secret(sealer, f"added/{customer_id}", once)
    for one in there if once is not None else ():
        if one.created_at > now() - SHOWN_AGAIN and secret == await _secret_of(conn, sealer, one.id):
            return NewSecret(one, secret)
    if len(there) >= MAX_ENDPOINTS:
        raise Conflict(f"There may be {MAX_ENDPOINTS} endpoints; remove one first.", field="url")
    cursor = await conn.execute(
        "INSERT INTO webhook_endpoints (customer_id, url, label, events, sealed)"
        " VALUES (%s, %s, %s, %s, %s) RETURNING id",
        (customer_id, url, label, events, sealer.seal(secret)),
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    await _know_prices(conn, customer_id)
    return NewSecret(await get_endpoint(conn, customer_id, row["id"]), secret)


async def change_endpoint(
    conn: Connection,
    rules: Rules,
    customer_id: int,
    endpoint_id: int,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    label: str | None = None,
    state: str | None = None,
) -> Endpoint:
    """Change what is given and return the endpoint; made active again it gets what was held. ``conn`` is inside a
    transaction.

    Raises NotFound, and Invalid; only the secret of the callbacks' own endpoint can be changed, and its state.
    """
    endpoint = await get_endpoint(conn, customer_id, endpoint_id, for_update=True)
    if endpoint.url is None and not url is events is label is None:
        raise Invalid("Callbacks go to the URL that each order names.", field="url" if url is not None else "events")
    if state not in (None, "active", "paused"):
        raise Invalid("The state is active or paused.", field="state")
    await conn.execute(
        "UPDATE webhook_endpoints SET url = COALESCE(%(url)s, url), events = COALESCE(%(events)s::text[], events),"
        " label = COALESCE(%(label)s, label), state = COALESCE(%(state)s, state),"
        " paused_because = CASE WHEN %(state)s::text IS NULL THEN paused_because END,"
        " failures = 0, failing_since = NULL, not_before = NULL WHERE id = %(id)s",
        {
            "id": endpoint_id,
            "url": None if url is None else str(rules.check(url)),
            "events": None if events is None else _events(events),
            "label": None if label is None else _label(label),
            "state": state,
        },
    )
    if state is not None:
        await move_held(conn, endpoint_id, state)
    await _know_prices(conn, customer_id)
    await _end_alarm(conn, customer_id)
    return await get_endpoint(conn, customer_id, endpoint_id)


async def move_held(conn: Connection, endpoint_id: int, state: str) -> None:
    """Hold an endpoint's waiting deliveries while it is paused, and let them be due once it is active."""
    if state == "active":
        statement = "UPDATE webhook_deliveries SET state = 'waiting', due_at = now() WHERE state = 'held'"
    else:
        statement = "UPDATE webhook_deliveries SET state = 'held' WHERE state = 'waiting'"
    await conn.execute(f"{statement} AND endpoint_id = %s", (endpoint_id,))


async def remove_endpoint(conn: Connection, customer_id: int, endpoint_id: int) -> None:
    """Remove an endpoint with its deliveries; NotFound, or Conflict for the one that stands for callbacks."""
    endpoint = await get_endpoint(conn, customer_id, endpoint_id, for_update=True)
    if endpoint.url is None:
        raise Conflict("The callbacks of orders need their secret; it can be replaced, not removed.")
    # Its log first, which may be long: whatever is told waits only while the endpoint itself goes.
    await conn.execute("DELETE FROM webhook_deliveries WHERE endpoint_id = %s", (endpoint_id,))
    await conn.execute("DELETE FROM webhook_endpoints WHERE id = %s", (endpoint_id,))
    await _know_prices(conn, customer_id)
    await _end_alarm(conn, customer_id)


async def rotate_secret(
    conn: Connection,
    sealer: Sealer,
    customer_id: int,
    endpoint_id: int,
    *,
    overlap: timedelta = OVERLAP,
    once: str | None = None,
) -> NewSecret:
    """Give an endpoint another secret; the one before signs too until the overlap is over. NotFound, Invalid.

    ``conn`` is inside a transaction. What is asked for twice with one ``once`` is done once: the secret that receivers
    still have is not pushed out by a double click.
    """
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise Invalid(f"The overlap is 0 to {LONGEST_OVERLAP // timedelta(hours=1)} hours.", field="overlap_hours")
    await get_endpoint(conn, customer_id, endpoint_id, for_update=True)
    secret = _secret(sealer, f"rotated/{endpoint_id}", once)
    if once is not None and secret == await _secret_of(conn, sealer, endpoint_id):
        return NewSecret(await get_endpoint(conn, customer_id, endpoint_id), secret)
    await conn.execute(
        "UPDATE webhook_endpoints SET sealed_before = sealed, overlap_until = %s, sealed = %s WHERE id = %s",
        (now() + overlap, sealer.seal(secret), endpoint_id),
    )
    return NewSecret(await get_endpoint(conn, customer_id, endpoint_id), secret)


def _secret(sealer: Sealer, what: str, once: str | None) -> str:
    return new_secret(None if once is None else sealer.secret(f"webhook/{what}/{once}"))


async def _secret_of(conn: Connection, sealer: Sealer, endpoint_id: int) -> str | None:
    cursor = await conn.execute("SELECT sealed FROM webhook_endpoints WHERE id = %s", (endpoint_id,))
    row = await cursor.fetchone()
    return None if row is None else sealer.open(row["sealed"])


async def ensure_callbacks(conn: Connection, sealer: Sealer, customer_id: int) -> None:
    """See that the callbacks of a customer's orders have a secret to be signed with."""
    cursor = await conn.execute(
        "SELECT 1 FROM webhook_endpoints WHERE customer_id = %s AND url IS NULL", (customer_id,)
    )
    if await cursor.fetchone() is None:
        await conn.execute(
            "INSERT INTO webhook_endpoints (customer_id, sealed) VALUES (%s, %s)"
            " ON CONFLICT (customer_id) WHERE url IS NULL DO NOTHING",
            (customer_id, sealer.seal(new_secret())),
        )


async def callbacks_of(conn: Connection, sealer: Sealer, customer_id: int) -> NewSecret:
    """Return the endpoint that stands for callbacks with its secret, which nobody saw being made; NotFound."""
    cursor = await conn.execute(
        "SELECT id, sealed FROM webhook_endpoints WHERE customer_id = %s AND url IS NULL", (customer_id,)
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("No order had a callback_url yet.")
    return NewSecret(await get_endpoint(conn, customer_id, row["id"]), sealer.open(row["sealed"]))


async def get_endpoint(conn: Connection, customer_id: int, endpoint_id: int, *, for_update: bool = False) -> Endpoint:
    """Return an endpoint of the customer's; NotFound if there is none."""
    lock = "FOR NO KEY UPDATE" if for_update else ""
    cursor = await conn.execute(f"{_ENDPOINTS} WHERE id = %s AND customer_id = %s {lock}", (endpoint_id, customer_id))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such endpoint.")
    return Endpoint(**row)


async def check_testable(conn: Connection, customer_id: int, endpoint_id: int) -> None:
    """Raise NotFound, or Conflict for the endpoint of callbacks, which has no URL of its own to send a test to."""
    endpoint = await get_endpoint(conn, customer_id, endpoint_id)
    if endpoint.url is None:
        raise Conflict("Callbacks go to the URL that each order names; there is none to test.")


async def list_endpoints(conn: Connection, customer_id: int) -> list[Endpoint]:
    """Return a customer's endpoints in the order they came."""
    cursor = await conn.execute(f"{_ENDPOINTS} WHERE customer_id = %s ORDER BY id", (customer_id,))
    return [Endpoint(**row) for row in await cursor.fetchall()]


async def reseal_endpoints(conn: Connection, sealer: Sealer) -> int:
    """Seal every endpoint's secrets with the newest key and return how many there are. ``conn`` is in a transaction.

    Conflict if there is one that no key opens; then none is to be changed.
    """
    # Not FOR UPDATE, for which everything that is told would wait.
    cursor = await conn.execute("SELECT id, sealed, sealed_before FROM webhook_endpoints ORDER BY id FOR NO KEY UPDATE")
    rows = await cursor.fetchall()
    for row in rows:
        try:
            sealed = [None if part is None else sealer.reseal(part) for part in (row["sealed"], row["sealed_before"])]
        except ValueError as error:
            raise Conflict(f"No SECRET_KEY opens the secret of webhook endpoint {row['id']}; replace it.") from error
        await conn.execute(
            "UPDATE webhook_endpoints SET sealed = %s, sealed_before = %s WHERE id = %s", (*sealed, row["id"])
        )
    return len(rows)


async def _know_prices(conn: Connection, customer_id: int) -> None:
    """Begin to keep what the customer knows of prices with the first endpoint that wants it, and end with the last."""
    cursor = await conn.execute(
        "SELECT 1 FROM webhook_endpoints WHERE customer_id = %s AND %s = ANY (events)",
        (customer_id, EventKind.SERVICE_CHANGED),
    )
    if await cursor.fetchone() is None:
        await forget_told(conn, customer_id)
    else:
        await remember_told(conn, customer_id)


async def _end_alarm(conn: Connection, customer_id: int) -> None:
    """Let staff know that the customer took care of what the machine paused."""
    cursor = await conn.execute(
        "SELECT 1 FROM webhook_endpoints WHERE customer_id = %s AND paused_because IS NOT NULL", (customer_id,)
    )
    if await cursor.fetchone() is None:
        await end_alarms(conn, [AlarmKind.WEBHOOK_PAUSED], about_customer(customer_id))


def _events(events: Sequence[str]) -> list[str]:
    chosen = sorted(set(events))
    if not chosen or not set(chosen) <= SUBSCRIBED:
        raise Invalid(f"Events are one or more of {', '.join(sorted(SUBSCRIBED))}.", field="events")
    return chosen


def _label(label: str) -> str:
    label = label.strip()
    if len(label) > MAX_LABEL or not label.isprintable():
        raise Invalid(f"A label is one line of up to {MAX_LABEL} characters.", field="label")
    return label
