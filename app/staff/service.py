"""Who runs the business: staff, what their role lets them do, and the tokens they use the staff API with."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from psycopg.errors import UniqueViolation

from app.access.logins import create_login
from app.access.sign_in import Realm
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound, Unauthenticated
from app.sealing import SHOWN_AGAIN, Sealer, new_token


class Right(StrEnum):
    """What a call of the staff API asks for."""

    READ = "read"
    """Look at anything."""
    OPERATE = "operate"
    """Set up suppliers, services, routes, prices and customers; decide about orders that are not paid out."""
    MONEY = "money"
    """Move credit by hand: top up, adjust, reverse, grant a credit limit."""
    OWN = "own"
    """Decide what leaves the house (who is told of alarms, and how) and who comes in: staff and their roles."""


RIGHTS: Mapping[str, frozenset[Right]] = MappingProxyType(
    {
        "owner": frozenset(Right),
        "operator": frozenset({Right.READ, Right.OPERATE}),
        "finance": frozenset({Right.READ, Right.MONEY}),
        "read_only": frozenset({Right.READ}),
    }
)
"""What each role may do: the whole table."""


@dataclass(frozen=True, slots=True)
class StaffIdentity:
    """Who is calling the staff API."""

    id: int
    email: str
    name: str
    role: str
    login_id: int

    def may(self, right: Right) -> bool:
        """Whether the role has ``right``."""
        return right in RIGHTS[self.role]


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made; ``token`` is shown this once and kept nowhere."""

    id: int
    token: str


@dataclass(frozen=True, slots=True)
class StaffRow:
    """A staff member as listed; ``tokens`` counts those that work."""

    id: int
    email: str
    name: str
    role: str
    login_id: int
    state: str
    tokens: int
    created_at: datetime


async def create_staff(conn: Connection, *, email: str, name: str, role: str, if_missing: bool = False) -> int:
    """Create a staff member and return the id; ``if_missing`` returns that of one who is there already.

    Raises Invalid for a name, address or role that cannot be one, Conflict if the e-mail address is taken.
    """
    email, name = email.strip().lower(), name.strip()
    if not re.fullmatch(r"[^@\s\x00]+@[^@\s\x00]+", email) or len(email) > 254:
        raise Invalid("That is not an e-mail address.", field="email")
    if not name or len(name) > 200:
        raise Invalid("A name has 1 to 200 characters.", field="name")
    if role not in RIGHTS:
        raise Invalid(f"The role is one of {', '.join(RIGHTS)}.", field="role")
    try:
        async with conn.transaction():
            cursor = await conn.execute(
                "INSERT INTO staff (email, name, role, login_id) VALUES (%s, %s, %s, %s) RETURNING id",
                (email, name, role, await create_login(conn)),
            )
            row = await cursor.fetchone()
    except UniqueViolation as error:
        if if_missing:
            return await find_staff(conn, email)
        raise Conflict("A staff member with this e-mail address exists.", field="email") from error
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    return int(row["id"])


async def find_staff(conn: Connection, email: str) -> int:
    """Return the id of the staff member with this e-mail address; NotFound if there is none."""
    cursor = await conn.execute("SELECT id FROM staff WHERE email = %s", (email.strip().lower(),))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no staff member with this e-mail address.", field="email")
    return int(row["id"])


async def _find_login(conn: Connection, email: str) -> int | None:
    cursor = await conn.execute("SELECT login_id FROM staff WHERE email = %s AND state = 'active'", (email,))
    row = await cursor.fetchone()
    return row["login_id"] if row else None


REALM = Realm("staff", _find_login)
"""Staff at the door: known by their e-mail address while they are active."""


async def staff_of_login(conn: Connection, login_id: int) -> StaffIdentity | None:
    """Return the active staff member whose login it is, None if there is none."""
    cursor = await conn.execute(
        "SELECT id, email, name, role, login_id FROM staff WHERE login_id = %s AND state = 'active'", (login_id,)
    )
    row = await cursor.fetchone()
    return StaffIdentity(**row) if row else None


async def list_staff(conn: Connection) -> list[StaffRow]:
    """Return all staff in the order they came."""
    cursor = await conn.execute(
        "SELECT s.id, s.email, s.name, s.role, s.login_id, s.state, s.created_at,"
        " (SELECT count(*) FROM staff_tokens t WHERE t.staff_id = s.id AND t.revoked_at IS NULL"
        "  AND (t.expires_at IS NULL OR t.expires_at > now())) AS tokens FROM staff s ORDER BY s.id"
    )
    return [StaffRow(**row) for row in await cursor.fetchall()]


async def create_token(
    conn: Connection,
    sealer: Sealer,
    staff_id: int,
    *,
    label: str = "",
    days: int | None = None,
    once: str | None = None,
) -> NewToken:
    """Make a token for a staff member; the returned text is the only copy of it. ``days`` until it ends, None: never.

    What is asked for twice with one ``once`` is made once, and shown again for some minutes. Raises NotFound for an
    unknown staff member, Conflict for a token that was made longer ago.
    """
    if days is not None and not 1 <= days <= 36_500:
        raise Invalid("A token lasts 1 to 36500 days.", field="days")
    token = new_token("ts") if once is None else sealer.token("ts", f"made/{staff_id}/{once}")
    cursor = await conn.execute(
        "INSERT INTO staff_tokens (staff_id, token_hash, label, expires_at)"
        " SELECT id, %s, %s, now() + make_interval(days => %s::integer) FROM staff WHERE id = %s"
        " ON CONFLICT (token_hash) DO NOTHING RETURNING id",
        (sealer.hash(token), label, days, staff_id),
    )
    row = await cursor.fetchone()
    if row is None:
        cursor = await conn.execute(
            "SELECT id, created_at > now() - %s AND revoked_at IS NULL AS shown"
            " FROM staff_tokens WHERE token_hash = %s",
            (SHOWN_AGAIN, sealer.hash(token)),
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFound("There is no such staff member.")
        if not row["shown"]:
            raise Conflict("This form was sent before: its token is made.")
    return NewToken(row["id"], token)


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token that works, as its owner sees it listed."""

    id: int
    label: str
    created_at: datetime
    expires_at: datetime | None


async def list_tokens(conn: Connection, staff_id: int) -> list[TokenRow]:
    """Return a staff member's tokens that work, the newest first; the 100 newest."""
    cursor = await conn.execute(
        "SELECT id, label, created_at, expires_at FROM staff_tokens WHERE staff_id = %s AND revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > now()) ORDER BY id DESC LIMIT 100",
        (staff_id,),
    )
    return [TokenRow(**row) for row in await cursor.fetchall()]


async def revoke_token(conn: Connection, staff_id: int, token_id: int) -> None:
    """Make a token of a staff member work no more; NotFound if they have no such token."""
    cursor = await conn.execute(
        "UPDATE staff_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = %s AND staff_id = %s",
        (token_id, staff_id),
    )
    if cursor.rowcount == 0:
        raise NotFound("There is no such token.")


async def authenticate(conn: Connection, sealer: Sealer, token: str) -> StaffIdentity:
    """Return whose token this is; Unauthenticated if it is unknown, revoked or expired, or its owner suspended."""
    hashes = sealer.hashes(token)
    cursor = await conn.execute(
        "SELECT s.id, s.email, s.name, s.role, s.login_id, t.id AS token_id, t.token_hash"
        " FROM staff_tokens t JOIN staff s ON s.id = t.staff_id"
        " WHERE t.token_hash = ANY (%s) AND s.state = 'active' AND t.revoked_at IS NULL"
        " AND (t.expires_at IS NULL OR t.expires_at > now())",
        (hashes,),
    )
    row = await cursor.fetchone()
    if row is None:
        raise Unauthenticated("The staff token is wrong or no longer valid.")
    token_id, token_hash = row.pop("token_id"), row.pop("token_hash")
    if token_hash != hashes[0]:
        # Kept under the newest SECRET_KEY from now on, so that the older one can be dropped in time.
        await conn.execute("UPDATE staff_tokens SET token_hash = %s WHERE id = %s", (hashes[0], token_id))
    return StaffIdentity(**row)
