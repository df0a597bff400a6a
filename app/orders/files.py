"""Files of orders, kept in Postgres beside them: what customers send in, and binary results."""

from collections.abc import Iterable

from app.connectors.base import File
from app.db import Connection


async def store_file(conn: Connection, file: File) -> int:
    """Keep a file and return its id."""
    cursor = await conn.execute(
        "INSERT INTO files (name, media_type, content) VALUES (%s, %s, %s) RETURNING id",
        (file.name[:200].replace("\x00", ""), file.media_type[:200].replace("\x00", ""), file.content),
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    return int(row["id"])


async def load_files(conn: Connection, ids: Iterable[int]) -> dict[int, File]:
    """Return the files with these ids."""
    cursor = await conn.execute("SELECT id, name, media_type, content FROM files WHERE id = ANY (%s)", (list(ids),))
    return {row.pop("id"): File(**row) for row in await cursor.fetchall()}


async def result_file(conn: Connection, order_id: int) -> File | None:
    """Return the binary result of an order, as long as it is completed and if it has one."""
    cursor = await conn.execute(
        "SELECT f.name, f.media_type, f.content FROM orders o JOIN files f ON f.id = o.result_file_id"
        " WHERE o.id = %s AND o.state = 'completed'",
        (order_id,),
    )
    row = await cursor.fetchone()
    return File(**row) if row else None


async def drop_file(conn: Connection, file_id: int) -> None:
    """Remove a file unless an order has it."""
    await conn.execute(
        "DELETE FROM files f WHERE f.id = %s AND NOT EXISTS (SELECT FROM orders o WHERE o.file_id = f.id)"
        " AND NOT EXISTS (SELECT FROM orders o WHERE o.result_file_id = f.id)",
        (file_id,),
    )


async def drop_orphans(conn: Connection) -> int:
    """Remove the files older than a day that no order has, and return how many there were.

    A file is stored before its order is placed; a server that ends in between leaves it behind.
    """
    cursor = await conn.execute(
        "DELETE FROM files f WHERE f.created_at < now() - interval '1 day'"
        " AND NOT EXISTS (SELECT FROM orders o WHERE o.file_id = f.id)"
        " AND NOT EXISTS (SELECT FROM orders o WHERE o.result_file_id = f.id)"
    )
    return cursor.rowcount
