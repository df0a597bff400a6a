"""The actions on file services: the list, and placing an order with a file in it."""

import asyncio
import binascii
import re
from dataclasses import replace

from app.api.dhru import replies
from app.api.dhru.call import LARGE, Call
from app.api.dhru.inputs import Row, single_row, wish_of
from app.api.dhru.ordering import place_row
from app.api.dhru.parameters import decode_base64
from app.api.dhru.replies import Reply
from app.catalog.snapshot import Catalog
from app.connectors.base import File
from app.orders.files import drop_file, store_file
from app.orders.wishes import Wish

_LONGEST_PATH = 300
_PATH = re.compile(r"(?:[A-Za-z]:[\\/]|[\\/]|\.{1,2}[\\/]).*[^\\/]\.\w{1,10}|/tmp/\w+")


async def file_list(call: Call) -> bytes:
    """Answer fileservicelist with every file service that is sold to the caller."""
    catalog = await call.door.catalog.at_least(call.identity.catalog_version)
    return await call.lists.get(catalog, call.identity, call.dialect, call.envelope.form, files=True)


async def place_file(call: Call) -> Reply:
    """Answer placefileorder: FILENAME, and FILEDATA in base64.

    The file is stored first, so that the order has it when it is placed; a refused order leaves none behind.
    """
    row = single_row(await call.content(), call.envelope.flat)
    large = len(row.text("filedata")) > LARGE
    limit = call.door.max_file_bytes
    file = await asyncio.to_thread(read_file, row, limit) if large else read_file(row, limit)
    catalog = await call.door.catalog.at_least(call.identity.catalog_version)
    wish_of(row, catalog, file=file)
    async with call.door.db.pool.connection() as conn:
        file_id = await store_file(conn, file)

    def wish_with_file(row: Row, catalog: Catalog, reference: str) -> Wish:
        return replace(wish_of(row, catalog, reference, file=file), file_id=file_id)

    reply = await place_row(call, row, wish_with_file)
    async with call.door.db.pool.connection() as conn:
        # Refused, or an order that is there already with a file of its own.
        await drop_file(conn, file_id)
    return reply


def read_file(row: Row, max_bytes: int) -> File:
    """Return the file of an order. Raises Refusal for one that is missing, too large or no file at all."""
    name, data = row.text("filename"), row.text("filedata")
    if not name:
        raise replies.parameter_required("FILENAME")
    if not data:
        raise replies.parameter_required("FILEDATA")
    # Four characters hold three bytes, and some clients break the lines.
    content = b"" if len(data) > 3 * max_bytes // 2 + 100 else _decoded(data)
    if not content or len(content) > max_bytes:
        raise replies.invalid(f"A file has 1 to {max_bytes} bytes.")
    if _is_path(content, name):
        raise replies.invalid("FILEDATA holds the path of a file, not what is in it.")
    return File(name, content)


def _decoded(data: str) -> bytes:
    try:
        return decode_base64(data)
    except (binascii.Error, ValueError) as error:
        raise replies.invalid("FILEDATA must be base64 encoded.") from error


def _is_path(content: bytes, name: str) -> bool:
    """Say whether the content is the file's path: some panels encode that by mistake."""
    if len(content) > _LONGEST_PATH:
        return False
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        return False
    last = re.split(r"[\\/]", text)[-1]
    return text.isprintable() and (last == re.split(r"[\\/]", name)[-1] or _PATH.fullmatch(text) is not None)
