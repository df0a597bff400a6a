"""API keys: made, changed, replaced with an overlap, and ended. The text of a key is shown once and kept nowhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Network, ip_network
from typing import Any

from app.clock import now
from app.customers.scopes import ALL_SCOPES, check_scopes
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.sealing import SHOWN_AGAIN, Sealer, new_token

OVERLAP_HOURS = 24
MAX_OVERLAP_HOURS = 30 * 24
"""How long a key goes on beside the one that replaces it: by default, and at most."""
MAX_KEYS = 100
"""Keys of one customer that work at a time; whoever makes them in a loop fills neither table nor page."""
MAX_LISTED = 500
MAX_NETWORKS = 100
MAX_PER_MINUTE = 1_000_000


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; ``key`` is shown this once and kept nowhere."""

    id: int
    username: str
    key: str


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key as it may be shown: ``hint`` is its last four characters.

    ``replaces_id`` is the key that it was made to replace; ``last_used_at`` is up to a minute old.
    """

    id: int
    customer_id: int
    hint: str
    label: str
    dialect: str
    scopes: list[str]
    sandbox: bool
    allowed_ips: list[str]
    learning_until: datetime | None
    requests_per_minute: int | None
    replaces_id: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    @property
    def works(self) -> bool:
        """Whether it has not ended."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now())

    @property
    def learns(self) -> bool:
        """Whether it works from anywhere for now, and it is noted from where."""
        return self.learning_until is not None and self.learning_until > now()


_KEYS = """
SELECT id, customer_id, hint, label, dialect, scopes, sandbox, allowed_ips::text[] AS allowed_ips, learning_until,
       requests_per_minute, replaces_id, created_at, expires_at, revoked_at, last_used_at
FROM api_keys k WHERE NOT EXISTS (SELECT FROM customers c WHERE c.portal_key_id = k.id)
"""
"""All but those that stand for the portal: nobody has them, and nobody changes them."""
_WORKS = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"


async def list_keys(conn: Connection, customer_id: int) -> list[KeyRow]:
    """Return a customer's keys in the order they were made, ended ones too: all that work, and the newest others."""
    cursor = await conn.execute(
        f"{_KEYS} AND customer_id = %s ORDER BY ({_WORKS}) DESC, id DESC LIMIT %s", (customer_id, MAX_LISTED)
    )
    return sorted([KeyRow(**row) for row in await cursor.fetchall()], key=lambda row: row.id)


async def get_key(conn: Connection, key_id: int, customer_id: int) -> KeyRow:
    """Return a key of this customer; NotFound if they have no such key."""
    row = await (await conn.execute(f"{_KEYS} AND id = %s AND customer_id = %s", (key_id, customer_id))).fetchone()
    if row is None:
        raise NotFound("There is no such key.")
    return KeyRow(**row)


async def create_key(
    conn: Connection,
    sealer: Sealer,
    customer_id: int,
    *,
    label: str = "",
    dialect: str = "6.1",
    scopes: Iterable[str] = ALL_SCOPES,
    sandbox: bool = False,
    allowed_ips: Sequence[str] = (),
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
    once: str | None = None,
) -> NewKey:
    """Make a key for a customer; the returned text is the only copy of it.

    A ``sandbox`` key buys nothing real, for life. What is asked for twice with one ``once`` is made once, and shown
    again for some minutes. ``conn`` is inside a transaction. Raises NotFound for an unknown customer, Invalid for
    settings that cannot be a key's, Conflict for one that was made longer ago and for a key too many.
    """
    settings = _checked(
        {
            "label": label,
            "dialect": dialect,
            "scopes": scopes,
            "allowed_ips": allowed_ips,
            "requests_per_minute": requests_per_minute,
            "expires_at": expires_at,
        }
    )
    key = _text(sealer, f"made/{customer_id}", once)
    username = await _in_turn(conn, customer_id)
    if once is not None and (before := await _made_before(conn, sealer, key)) is not None:
        return before
    await _check_room(conn, customer_id)
    cursor = await conn.execute(
        "INSERT INTO api_keys (customer_id, key_hash, hint, sandbox, label, dialect, scopes, allowed_ips,"
        " requests_per_minute, expires_at)"
        " VALUES (%(customer)s, %(hash)s, %(hint)s, %(sandbox)s, %(label)s, %(dialect)s, %(scopes)s,"
        " %(allowed_ips)s::cidr[], %(requests_per_minute)s, %(expires_at)s) RETURNING id",
        {"customer": customer_id, "hash": sealer.hash(key), "hint": key[-4:], "sandbox": sandbox, **settings},
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    return NewKey(row["id"], username, key)


async def rotate_key(
    conn: Connection, sealer: Sealer, key_id: int, *, overlap_hours: int = OVERLAP_HOURS, once: str | None = None
) -> NewKey:
    """Make a key with the same settings, learning included, and let the old one end after the overlap.

    An old key that ends sooner anyway still does. ``once`` is that of ``create_key``. Raises NotFound, Invalid for an
    overlap that is too long, Conflict for a key that has ended or was replaced before, and for a key too many.
    """
    if not 0 <= overlap_hours <= MAX_OVERLAP_HOURS:
        raise Invalid(f"The overlap is 0 to {MAX_OVERLAP_HOURS} hours.", field="overlap_hours")
    key = _text(sealer, f"rotated/{key_id}", once)
    async with conn.transaction():
        cursor = await conn.execute("SELECT customer_id FROM api_keys WHERE id = %s", (key_id,))
        found = await cursor.fetchone()
        if found is None:
            raise NotFound("There is no such key.")
        # In turn before anything else is read, so that whoever replaces it at the same moment is seen.
        username = await _in_turn(conn, found["customer_id"])
        cursor = await conn.execute(
            "SELECT revoked_at IS NOT NULL OR COALESCE(expires_at <= now(), false) AS ended,"
            " EXISTS (SELECT FROM api_keys n WHERE n.replaces_id = k.id) AS replaced"
            " FROM api_keys k WHERE id = %s FOR NO KEY UPDATE",
            (key_id,),
        )
        row = await cursor.fetchone()
        if once is not None and (before := await _made_before(conn, sealer, key)) is not None:
            return before
        if row is None or row["ended"] or row["replaced"]:
            raise Conflict("This key has ended or was replaced before.")
        await _check_room(conn, found["customer_id"])
        cursor = await conn.execute(
            "INSERT INTO api_keys (customer_id, key_hash, hint, label, dialect, scopes, sandbox, allowed_ips,"
            " learning_until, requests_per_minute, expires_at, replaces_id)"
            " SELECT customer_id, %s, %s, label, dialect, scopes, sandbox, allowed_ips, learning_until,"
            " requests_per_minute, expires_at, id FROM api_keys WHERE id = %s"
            " RETURNING id",
            (sealer.hash(key), key[-4:], key_id),
        )
        made = await cursor.fetchone()
        await conn.execute(
            "UPDATE api_keys SET expires_at = LEAST(expires_at, now() + make_interval(hours => %s)) WHERE id = %s",
            (overlap_hours, key_id),
        )
    assert made is not None  # noqa: S101  the row it copies is locked
    return NewKey(made["id"], username, key)


async def change_key(conn: Connection, key_id: int, changes: Mapping[str, Any]) -> None:
    """Change ``label``, ``dialect``, ``scopes``, ``allowed_ips``, ``requests_per_minute`` or ``expires_at``.

    Raises NotFound, Invalid for settings that cannot be a key's, Conflict for a revoked key.
    """
    settings = _checked(changes)
    cursor = await conn.execute("SELECT revoked_at FROM api_keys WHERE id = %s FOR NO KEY UPDATE", (key_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such key.")
    if row["revoked_at"] is not None:
        raise Conflict("This key was revoked; make another.")
    for name, value in settings.items():
        await conn.execute(_CHANGES[name], (value, key_id))


_CHANGES = {
    "label": "UPDATE api_keys SET label = %s WHERE id = %s",
    "dialect": "UPDATE api_keys SET dialect = %s WHERE id = %s",
    "scopes": "UPDATE api_keys SET scopes = %s WHERE id = %s",
    "allowed_ips": "UPDATE api_keys SET allowed_ips = %s::cidr[] WHERE id = %s",
    "requests_per_minute": "UPDATE api_keys SET requests_per_minute = %s WHERE id = %s",
    "expires_at": "UPDATE api_keys SET expires_at = %s WHERE id = %s",
}


async def revoke_key(conn: Connection, key_id: int) -> None:
    """End a key at once; NotFound if there is no such key. Revoking twice is harmless."""
    cursor = await conn.execute("UPDATE api_keys SET revoked_at = COALESCE(revoked_at, now()) WHERE id = %s", (key_id,))
    if cursor.rowcount == 0:
        raise NotFound("There is no such key.")


def _text(sealer: Sealer, what: str, once: str | None) -> str:
    return new_token("tk") if once is None else sealer.token("tk", f"{what}/{once}")


async def _in_turn(conn: Connection, customer_id: int) -> str:
    """Return the username when it is this one's turn: a customer's keys are made one after another. NotFound."""
    cursor = await conn.execute("SELECT username FROM customers WHERE id = %s FOR NO KEY UPDATE", (customer_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such customer.")
    return str(row["username"])


async def _check_room(conn: Connection, customer_id: int) -> None:
    """Conflict if the customer has as many keys that work as one may have; their turn lasts until the commit."""
    cursor = await conn.execute(f"SELECT FROM api_keys WHERE customer_id = %s AND {_WORKS}", (customer_id,))
    if cursor.rowcount >= MAX_KEYS:
        raise Conflict(f"A customer has at most {MAX_KEYS} keys that work; revoke some first.")


async def _made_before(conn: Connection, sealer: Sealer, key: str) -> NewKey | None:
    """Return the key that the same form made, None for none; Conflict for one made too long ago to show it again."""
    cursor = await conn.execute(
        "SELECT k.id, c.username, k.created_at > now() - %s AND k.revoked_at IS NULL AS shown"
        " FROM api_keys k JOIN customers c ON c.id = k.customer_id WHERE k.key_hash = %s",
        (SHOWN_AGAIN, sealer.hash(key)),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    if not row["shown"]:
        raise Conflict("This form was sent before: its key is made. Look at the list of keys.")
    return NewKey(row["id"], row["username"], key)


def networks_of(given: Sequence[str]) -> list[str]:
    """Return addresses and networks as they are kept, each once; Invalid for what is neither."""
    try:
        networks = dict.fromkeys(_network(text.strip()) for text in given)
    except ValueError as error:
        raise Invalid("Addresses are IPs or networks such as 203.0.113.0/24.", field="allowed_ips") from error
    if len(networks) > MAX_NETWORKS:
        raise Invalid(f"A key has at most {MAX_NETWORKS} addresses and networks.", field="allowed_ips")
    return list(networks)


def _network(text: str) -> str:
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network):
        if network.network_address.scope_id is not None:
            raise ValueError("an interface of one machine is nowhere else")
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            # As callers are known, who are never taken for IPv6 because of how the server listens.
            return str(ip_network((mapped, network.prefixlen - 96), strict=False))
    return str(network)


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they are kept; Invalid for one that cannot be a key's."""
    settings = dict(given)
    if "label" in settings:
        settings["label"] = settings["label"].strip()
        if len(settings["label"]) > 200:
            raise Invalid("A label has at most 200 characters.", field="label")
    if "dialect" in settings and settings["dialect"] not in ("6.1", "8.2"):
        raise Invalid("The dialect is 6.1 or 8.2.", field="dialect")
    if "scopes" in settings:
        settings["scopes"] = check_scopes(settings["scopes"])
    if "allowed_ips" in settings:
        settings["allowed_ips"] = networks_of(settings["allowed_ips"])
    limit = settings.get("requests_per_minute")
    if limit is not None and not 0 <= limit <= MAX_PER_MINUTE:
        raise Invalid("The limit is 0 (none) or more requests a minute.", field="requests_per_minute")
    expires_at = settings.get("expires_at")
    if expires_at is not None:
        if expires_at.tzinfo is None:
            raise Invalid("A time needs its offset from UTC, such as Z.", field="expires_at")
        if not now() < expires_at < now() + timedelta(days=36_500):
            raise Invalid("A key ends in the future.", field="expires_at")
    return settings
