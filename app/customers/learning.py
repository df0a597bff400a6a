"""Learning where a key is used from: addresses are noted for a while, and a person says which of them stay allowed.

While a key learns, it works from anywhere. Afterwards its list counts again, and nothing was added to it by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.customers.keys import networks_of
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound

MAX_LEARNING_HOURS = 30 * 24
MAX_SEEN = 500
"""Addresses noted for one key; whoever has it cannot fill the table."""


@dataclass(frozen=True, slots=True)
class SeenAddress:
    """An address that a key was used from while it learned, and whether its list has it."""

    address: str
    first_seen_at: datetime
    last_seen_at: datetime
    uses: int
    allowed: bool


async def learn(conn: Connection, key_id: int, *, hours: int) -> None:
    """Let a key be used from anywhere for so many hours and note where that is; 0 ends it now.

    What was seen in an earlier round is forgotten with the next one. Raises NotFound, Invalid, Conflict for a revoked
    key.
    """
    if not 0 <= hours <= MAX_LEARNING_HOURS:
        raise Invalid(f"Learning lasts 0 to {MAX_LEARNING_HOURS} hours.", field="hours")
    cursor = await conn.execute("SELECT revoked_at FROM api_keys WHERE id = %s FOR NO KEY UPDATE", (key_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such key.")
    if row["revoked_at"] is not None:
        raise Conflict("This key was revoked; make another.")
    if hours:
        await conn.execute("DELETE FROM key_addresses WHERE key_id = %s", (key_id,))
    await conn.execute(
        "UPDATE api_keys SET learning_until = CASE WHEN %(hours)s > 0"
        " THEN now() + make_interval(hours => %(hours)s) END WHERE id = %(key)s",
        {"hours": hours, "key": key_id},
    )


async def seen_addresses(conn: Connection, key_id: int) -> list[SeenAddress]:
    """Return the addresses that a key was used from while it learned, the most used first."""
    cursor = await conn.execute(
        "SELECT host(s.address) AS address, s.first_seen_at, s.last_seen_at, s.uses,"
        " s.address <<= ANY (k.allowed_ips) AS allowed"
        " FROM key_addresses s JOIN api_keys k ON k.id = s.key_id WHERE s.key_id = %s"
        " ORDER BY s.uses DESC, s.address",
        (key_id,),
    )
    return [SeenAddress(**row) for row in await cursor.fetchall()]


async def confirm_addresses(conn: Connection, key_id: int, addresses: Sequence[str]) -> None:
    """Put seen addresses on a key's list and end its learning, so that from now on only the list counts.

    Raises NotFound, Invalid for an address that was not seen, for none, and for more than a list holds.
    """
    wanted = networks_of(addresses)
    cursor = await conn.execute(
        "SELECT allowed_ips::text[] AS allowed, (SELECT count(*) FROM key_addresses s WHERE s.key_id = k.id"
        " AND s.address = ANY (%s::inet[])) AS seen FROM api_keys k WHERE id = %s FOR NO KEY UPDATE",
        (wanted, key_id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such key.")
    if not wanted or row["seen"] < len(wanted):
        raise Invalid("Confirm one or more of the addresses that were seen.", field="addresses")
    await conn.execute(
        "UPDATE api_keys SET allowed_ips = %s::cidr[], learning_until = NULL WHERE id = %s",
        (networks_of([*row["allowed"], *wanted]), key_id),
    )
