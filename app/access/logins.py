"""Logins themselves: made with the person they are of, and what there is of them now."""

from dataclasses import dataclass

from app.db import Connection


@dataclass(frozen=True, slots=True)
class Login:
    """What a login is signed in to with."""

    id: int
    password_hash: str | None
    has_totp: bool


async def create_login(conn: Connection) -> int:
    """Create a login without a password and return its id; an invitation or ``set_password`` gives it one."""
    row = await (await conn.execute("INSERT INTO logins DEFAULT VALUES RETURNING id")).fetchone()
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    return int(row["id"])


async def get_login(conn: Connection, login_id: int) -> Login | None:
    """Return a login, None if there is none."""
    cursor = await conn.execute(
        "SELECT id, password_hash, totp_sealed IS NOT NULL AS has_totp FROM logins WHERE id = %s", (login_id,)
    )
    row = await cursor.fetchone()
    return Login(**row) if row else None
