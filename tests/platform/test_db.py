"""Every connection: statements of ours are never compiled, and moments are UTC, whatever the server would do itself."""

from datetime import timedelta

import psycopg
from psycopg import sql
from sqlalchemy import text

from app.db import Database


async def test_no_connection_compiles_or_keeps_another_time_than_utc(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as plain:
        own = sql.Identifier(plain.info.dbname)
        plain.execute(sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Kathmandu'").format(own))
        plain.execute(sql.SQL("ALTER DATABASE {} SET jit = on").format(own))
    db = Database(conninfo)
    await db.open()
    try:
        async with db.pool.connection() as one, db.pool.connection() as other:
            for conn in (one, other):
                cursor = await conn.execute(
                    "SELECT current_setting('jit') AS jit, current_setting('timezone') AS zone, now() AS at"
                )
                row = await cursor.fetchone()
                assert row is not None
                assert (row["jit"], row["zone"], row["at"].utcoffset()) == ("off", "UTC", timedelta(0))
        for _ in range(2):  # the second time on a connection that was given back
            async with db.sessions.begin() as session:
                found = await session.execute(text("SELECT current_setting('jit'), current_setting('timezone'), now()"))
                jit, zone, at = found.one()
                assert (jit, zone, at.utcoffset()) == ("off", "UTC", timedelta(0))
    finally:
        await db.close()
