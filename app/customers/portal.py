"""Customers in the portal: who may sign in, the key that stands for them there, and the wish for a new password."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.access import invites, second_factor
from app.access.logins import create_login, get_login
from app.access.sessions import end_sessions
from app.access.sign_in import Realm
from app.customers.scopes import Scope
from app.customers.service import Identity
from app.db import Connection
from app.errors import Conflict, NotFound
from app.sealing import Sealer, new_token

RESET_LASTS = timedelta(hours=1)
RESET_PAUSE = timedelta(minutes=10)
"""How long nobody is sent a second mail: whoever asks in another's name fills no mailbox."""
RESET_TRIES = 5
_MAX_TYPED = 254


@dataclass(frozen=True, slots=True)
class PortalCustomer:
    """A customer who signed in to the portal."""

    id: int
    username: str
    name: str
    email: str
    currency: str
    login_id: int


@dataclass(frozen=True, slots=True)
class Reset:
    """A wish for a new password that nobody looked at yet; ``typed`` is what was typed, whoever that is."""

    id: int
    typed: str
    tries: int


async def _find_login(conn: Connection, typed: str) -> int | None:
    cursor = await conn.execute(
        "SELECT login_id FROM customers WHERE (lower(email) = %(typed)s OR username = %(typed)s)"
        " AND state = 'active' ORDER BY username = %(typed)s LIMIT 1",
        {"typed": typed},
    )
    row = await cursor.fetchone()
    return row["login_id"] if row else None


REALM = Realm("customers", _find_login)
"""Customers at the portal's door: known by e-mail address or username while they are active."""


async def customer_of_login(conn: Connection, login_id: int) -> PortalCustomer | None:
    """Return the active customer whose login it is, None if there is none."""
    cursor = await conn.execute(
        "SELECT id, username, name, email, currency::text AS currency, login_id FROM customers"
        " WHERE login_id = %s AND state = 'active'",
        (login_id,),
    )
    row = await cursor.fetchone()
    return PortalCustomer(**row) if row else None


async def invite_customer(conn: Connection, sealer: Sealer, customer_id: int) -> tuple[str, datetime]:
    """Return an invitation to the portal, the only copy, and when it ends; one made before works no more.

    Raises NotFound for an unknown customer, Conflict for one who is suspended.
    """
    cursor = await conn.execute("SELECT state, login_id FROM customers WHERE id = %s FOR UPDATE", (customer_id,))
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such customer.")
    if row["state"] != "active":
        raise Conflict("This customer is suspended.")
    login_id = row["login_id"]
    if login_id is None:
        login_id = await create_login(conn)
        await conn.execute("UPDATE customers SET login_id = %s WHERE id = %s", (login_id, customer_id))
    return await invites.invite(conn, sealer, login_id)


async def has_second_factor(conn: Connection, customer_id: int) -> bool:
    """Whether a customer needs more than a password to come in."""
    login_id = await _login_of(conn, customer_id)
    login = None if login_id is None else await get_login(conn, login_id)
    return login is not None and login.has_totp


async def drop_second_factor(conn: Connection, customer_id: int) -> None:
    """Take the second factor of a customer away, who lost phone and recovery codes; their sessions end.

    Raises Conflict for one who has none.
    """
    login_id = await _login_of(conn, customer_id)
    if login_id is None or not await has_second_factor(conn, customer_id):
        raise Conflict("This customer has no second factor.")
    await second_factor.drop_second_factor(conn, login_id)
    await end_sessions(conn, login_id)


async def _login_of(conn: Connection, customer_id: int) -> int | None:
    row = await (await conn.execute("SELECT login_id FROM customers WHERE id = %s", (customer_id,))).fetchone()
    return row["login_id"] if row else None


async def portal_identity(conn: Connection, sealer: Sealer, customer_id: int) -> Identity:
    """Return who a customer is to the functions that place orders, with the key that stands for the portal.

    Nobody ever sees the text of that key; it is made when it is first needed. NotFound for an unknown customer.
    """
    cursor = await conn.execute(_IDENTITY, (customer_id,))
    row = await cursor.fetchone()
    if row is None:
        await _make_portal_key(conn, sealer, customer_id)
        row = await (await conn.execute(_IDENTITY, (customer_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such customer.")
    return Identity(**{**row, "scopes": frozenset(row["scopes"])})


_IDENTITY = """
SELECT k.id AS key_id, c.id AS customer_id, c.username, c.name, c.email, c.currency::text AS currency, c.price_group_id,
       EXISTS (SELECT FROM customer_prices p WHERE p.customer_id = c.id) AS own_prices,
       k.dialect, k.scopes, k.sandbox, k.requests_per_minute, a.balance,
       CASE WHEN a.overdue THEN 0 ELSE a.credit_limit END AS credit_limit,
       (SELECT version FROM catalog_version WHERE id = 1) AS catalog_version, false AS learning
FROM customers c JOIN api_keys k ON k.id = c.portal_key_id JOIN accounts a ON a.customer_id = c.id
WHERE c.id = %s
"""


async def _make_portal_key(conn: Connection, sealer: Sealer, customer_id: int) -> None:
    async with conn.transaction():
        # Two first pages at the same time make one key.
        await conn.execute("SELECT FROM customers WHERE id = %s AND portal_key_id IS NULL FOR UPDATE", (customer_id,))
        await conn.execute(
            "WITH made AS (INSERT INTO api_keys (customer_id, key_hash, hint, label, scopes)"
            "  SELECT id, %s, '', 'Portal', %s FROM customers WHERE id = %s AND portal_key_id IS NULL"
            "  RETURNING id, customer_id)"
            " UPDATE customers c SET portal_key_id = made.id FROM made WHERE c.id = made.customer_id",
            (sealer.hash(new_token("tk")), [scope.value for scope in Scope], customer_id),
        )


async def wish_for_reset(conn: Connection, typed: str) -> None:
    """Write down that somebody wants a new password; who that is, if anybody, is looked up when it is sent."""
    await conn.execute(
        # One wish at a time for whatever was typed: a second click sends no second mail.
        "INSERT INTO password_resets (typed) VALUES (%s) ON CONFLICT (typed) DO NOTHING",
        (typed.strip().lower().replace("\x00", "")[:_MAX_TYPED],),
    )


async def next_reset(conn: Connection) -> Reset | None:
    """Return a wish that is due and hold it until the transaction ends, None if there is none."""
    cursor = await conn.execute(
        "SELECT id, typed, tries FROM password_resets WHERE due_at <= now() ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    row = await cursor.fetchone()
    return Reset(**row) if row else None


async def invite_for_reset(conn: Connection, sealer: Sealer, reset: Reset) -> tuple[str, str] | None:
    """Return the address and the invitation to send for a wish, None if there is none to send.

    That is one of nobody who may sign in, and one of somebody who was sent another just before.
    """
    cursor = await conn.execute(
        "SELECT c.email, c.login_id, EXISTS (SELECT FROM login_invites i WHERE i.login_id = c.login_id"
        "  AND i.created_at > now() - %(pause)s AND i.expires_at < i.created_at + 2 * %(lasts)s) AS just_sent"
        " FROM customers c WHERE (lower(email) = %(typed)s OR username = %(typed)s)"
        " AND state = 'active' AND login_id IS NOT NULL ORDER BY username = %(typed)s LIMIT 1",
        {"typed": reset.typed, "pause": RESET_PAUSE, "lasts": RESET_LASTS},
    )
    row = await cursor.fetchone()
    if row is None or (row["just_sent"] and reset.tries == 0):
        return None
    token, _ = await invites.invite(conn, sealer, row["login_id"], lasts=RESET_LASTS)
    return row["email"], token


async def end_reset(conn: Connection, reset_id: int) -> None:
    """Forget a wish: it was sent, or is nobody's."""
    await conn.execute("DELETE FROM password_resets WHERE id = %s", (reset_id,))


async def put_off_reset(conn: Connection, reset: Reset) -> bool:
    """Try a wish again in some minutes; False if it was tried often enough and is forgotten."""
    if reset.tries + 1 >= RESET_TRIES:
        await end_reset(conn, reset.id)
        return False
    await conn.execute(
        "UPDATE password_resets SET tries = tries + 1, due_at = now() + interval '2 minutes' * (tries + 1)"
        " WHERE id = %s",
        (reset.id,),
    )
    return True
