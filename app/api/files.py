"""Result files for customers: a signed link to each, and the route that serves it.

A panel shows a result as text, so a result that is a file reaches its customer as a link in that text. Whoever has the
link has the file, as with the text itself; nobody can make one up, and it ends when the order is no longer completed.
"""

import re
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import app.paths  # noqa: F401  bounds the numbers in paths
from app.connectors.base import File
from app.db import Database
from app.orders.files import result_file
from app.sealing import Sealer

_MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f\"\\/:*?<>|]")

_HEADERS = {
    # Whatever a supplier says the file is, it is saved and never shown as a page of ours.
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    "cache-control": "private, no-store",
    "referrer-policy": "no-referrer",
}


class FileLinks:
    """Makes and checks the links; ``base_url`` is the URL under which customers reach us."""

    def __init__(self, base_url: str, sealer: Sealer) -> None:
        self._base_url = base_url
        self._sealer = sealer

    def link(self, order_id: int, name: str) -> str:
        """Return the URL of the file that came with the result of an order."""
        signature = self._sealer.sign(_signed(order_id))
        return f"{self._base_url}/files/{order_id}/{signature}/{quote(clean_name(name), safe='')}"

    def opens(self, order_id: int, signature: str) -> bool:
        """Say whether the signature is the one of this order's link."""
        return self._sealer.is_signed(_signed(order_id), signature)


def file_routes(db: Database, links: FileLinks) -> list[BaseRoute]:
    """Return the route of the links. Anything but a right one is 404, whatever is wrong with it."""

    async def serve(request: Request) -> Response:
        order_id = request.path_params["order_id"]
        if not links.opens(order_id, request.path_params["signature"]):
            return Response(status_code=404)
        async with db.pool.connection() as conn:
            file = await result_file(conn, order_id)
        if file is None:
            return Response(status_code=404)
        return file_response(file)

    return [Route("/files/{order_id:int}/{signature}/{name}", serve, methods=["GET"])]


def file_response(file: File) -> Response:
    """Return a file as an answer that is saved under its name."""
    name = clean_name(file.name)
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    media_type = file.media_type if _MEDIA_TYPE.fullmatch(file.media_type) else "application/octet-stream"
    return Response(file.content, headers={**_HEADERS, "content-type": media_type, "content-disposition": disposition})


def clean_name(name: str) -> str:
    """Return a file's name without its folders and without what file systems and headers do not take."""
    last = re.split(r"[\\/]", name)[-1]
    return _NOT_IN_NAMES.sub("_", last).strip(" .")[:150] or "file"


def _signed(order_id: int) -> str:
    return f"file/{order_id}"
