"""Who may buy: customers, and the one look-up that every request of theirs begins with."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.errors import UniqueViolation

from app.customers.scopes import Scope, ScopeMissing
from app.db import Connection
from app.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from app.money import check_currency


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling, as of the moment of the look-up. Money and rights are checked again where they are used.

    ``credit_limit`` is what may be used of it now: nothing while a debt is overdue.
    """

    key_id: int
    customer_id: int
    username: str
    name: str
    email: str
    currency: str
    price_group_id: int | None
    own_prices: bool
    dialect: str
    scopes: frozenset[str]
    sandbox: bool
    """Nothing real may be bought with the key."""
    learning: bool
    """The addresses that the key is used from are being noted."""
    requests_per_minute: int | None
    """None: the server's default; 0: no limit."""
    balance: int
    credit_limit: int
    catalog_version: int

    @property
    def prices_of(self) -> tuple[str, int, str]:
        """Whose prices these are: the same for all who see the same ones."""
        whose = ("customer", self.customer_id) if self.own_prices else ("group", self.price_group_id or 0)
        return *whose, self.currency

    def require(self, scope: Scope) -> None:
        """ScopeMissing unless the key has the scope."""
        if scope not in self.scopes:
            raise ScopeMissing(scope)


class AddressRefused(Forbidden):
    """The key is right, the address it is used from is not on its list."""

    code = "address_refused"


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who shows a key: ``hashes`` are ``Sealer.hashes(key)``; ``username`` is compared if it is not empty,
    without case and outer blanks."""

    hashes: Sequence[bytes]
    ip: str | None
    username: str = ""


_IDENTIFY = """
SELECT q.n, q.key_hash, k.id AS key_id, c.id AS customer_id, c.username, c.name, c.email, c.currency, c.price_group_id,
       EXISTS (SELECT FROM customer_prices p WHERE p.customer_id = c.id) AS own_prices,
       k.dialect, k.scopes, k.sandbox, k.requests_per_minute, a.balance,
       CASE WHEN a.overdue THEN 0 ELSE a.credit_limit END AS credit_limit,
       (SELECT version FROM catalog_version WHERE id = 1) AS catalog_version,
       c.state = 'active' AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AS valid,
       COALESCE(k.learning_until > now(), false) AS learning,
       k.allowed_ips = '{}' OR q.ip <<= ANY (k.allowed_ips) AS address_allowed
FROM unnest(%s::integer[], %s::bytea[], %s::inet[]) AS q(n, key_hash, ip)
JOIN api_keys k ON k.key_hash = q.key_hash
JOIN customers c ON c.id = k.customer_id
JOIN accounts a ON a.customer_id = c.id
"""


async def identify(conn: Connection, askers: Sequence[Asker]) -> list[Identity | Unauthenticated | AddressRefused]:
    """Return who each asker is, or why they are nobody, in their order and in one statement.

    Unauthenticated: an unknown, revoked or expired key, a suspended customer or another's username. AddressRefused: an
    address that the key does not allow.
    """
    shown = [(n, key_hash, asker.ip) for n, asker in enumerate(askers) for key_hash in asker.hashes]
    numbers, hashes, addresses = (list(column) for column in zip(*shown, strict=True))
    cursor = await conn.execute(_IDENTIFY, (numbers, hashes, addresses))
    found = {row.pop("n"): row for row in await cursor.fetchall()}
    for n, row in found.items():
        if row.pop("key_hash") != askers[n].hashes[0]:
            await _hash_anew(conn, row["key_id"], askers[n].hashes[0])
    return [_judge(asker, found.get(n)) for n, asker in enumerate(askers)]


async def _hash_anew(conn: Connection, key_id: int, newest: bytes) -> None:
    """Keep a key under the newest SECRET_KEY from now on, so that the older one can be dropped in time."""
    await conn.execute("UPDATE api_keys SET key_hash = %s WHERE id = %s", (newest, key_id))


def _judge(asker: Asker, row: dict[str, Any] | None) -> Identity | Unauthenticated | AddressRefused:
    wanted = asker.username.strip().lower()
    if row is None or not row.pop("valid") or wanted not in ("", row["username"], row["email"].lower()):
        return Unauthenticated("The username or key is wrong, or no longer valid.")
    if not row.pop("address_allowed") and not row["learning"]:
        return AddressRefused("This key may not be used from this address.")
    scopes = frozenset(row.pop("scopes"))
    return Identity(**row, scopes=scopes)


async def authenticate(conn: Connection, hashes: Sequence[bytes], *, ip: str | None, username: str = "") -> Identity:
    """Return whose key this is; see ``Asker``. Raises what ``identify`` returns for one who is nobody."""
    [answer] = await identify(conn, [Asker(hashes, ip, username)])
    if isinstance(answer, Exception):
        raise answer
    return answer


async def create_customer(
    conn: Connection, *, name: str, email: str, currency: str, price_group_id: int | None = None
) -> int:
    """Create a customer with a username made from the name, and return the id; the ledger opens the account.

    Raises Invalid for a name, address or currency that cannot be one, Conflict if the e-mail address is taken.
    """
    name, email = name.strip(), email.strip()
    if not name or len(name) > 200:
        raise Invalid("A name has 1 to 200 characters.", field="name")
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", email) or len(email) > 254:
        raise Invalid("That is not an e-mail address.", field="email")
    try:
        check_currency(currency)
    except ValueError as error:
        raise Invalid(f"{error}", field="currency") from error
    cursor = await conn.execute("SELECT FROM customers WHERE lower(email) = lower(%s)", (email,))
    if cursor.rowcount > 0:
        raise Conflict("A customer with this e-mail address exists.", field="email")
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].strip("-")
    for username in (stem, *(f"{stem or 'customer'}-{secrets.token_hex(3)}" for _ in range(5))):
        if len(username) < 3:
            continue
        try:
            async with conn.transaction():
                cursor = await conn.execute(
                    "INSERT INTO customers (username, name, email, currency, price_group_id)"
                    " VALUES (%s, %s, %s, %s, %s) RETURNING id",
                    (username, name, email, currency, price_group_id),
                )
                row = await cursor.fetchone()
        except UniqueViolation as error:
            if "email" in (error.diag.constraint_name or ""):
                raise Conflict("A customer with this e-mail address exists.", field="email") from error
            continue
        assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
        return int(row["id"])
    raise Conflict("No free username could be found; try another name.", field="name")


async def set_state(conn: Connection, customer_id: int, state: str) -> None:
    """Suspend a customer or make them active again; a suspended one's keys stop working at once."""
    if state not in ("active", "suspended"):
        raise Invalid("The state is active or suspended.", field="state")
    cursor = await conn.execute("UPDATE customers SET state = %s WHERE id = %s", (state, customer_id))
    if cursor.rowcount == 0:
        raise NotFound("There is no such customer.")
