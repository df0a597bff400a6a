"""Files that come with orders: read from base64 and stored before their orders are placed."""

import base64
import binascii
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from app.api.v1.deps import ApiDeps
from app.api.v1.order_schemas import FileIn
from app.connectors.base import File
from app.errors import Invalid
from app.orders.files import drop_file, store_file

Stored = tuple[File, int] | None
"""A file and the id under which it is stored."""


def read_file(sent: FileIn, max_bytes: int) -> File:
    """Return the file; Invalid for one that is empty, too large or not base64."""
    # Four characters hold three bytes, and some programs break the lines.
    content = b""
    if len(sent.content) <= 3 * max_bytes // 2 + 100:
        try:
            content = base64.b64decode("".join(sent.content.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise Invalid("The content is not base64.", field="file.content") from error
    if not 1 <= len(content) <= max_bytes:
        raise Invalid(f"A file has 1 to {max_bytes} bytes.", field="file.content")
    return File(sent.name, content)


@asynccontextmanager
async def stored(parts: ApiDeps, files: Sequence[File | None]) -> AsyncIterator[list[Stored]]:
    """Store files for the block that places their orders; one that no order has got then is dropped."""
    if not any(files):
        yield [None] * len(files)
        return
    async with parts.db.pool.connection() as conn:
        kept: list[Stored] = [None if file is None else (file, await store_file(conn, file)) for file in files]
    yield kept
    async with parts.db.pool.connection() as conn:
        for one in kept:
            if one is not None:
                await drop_file(conn, one[1])
