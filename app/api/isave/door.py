"""The route of the iSave door: reads a call, has its command answered, and always replies in iSave's form."""

from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any

import structlog
from fastapi import HTTPException
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.addresses import client_ip
from app.api.isave.commands import Commands, IsaveDoor
from app.api.isave.replies import No, error, reply
from app.web.bodies import ExactRequest

PATH = "/api/v1/check"
MAX_BODY = 64 * 1024

log = structlog.get_logger()


def isave_routes(door: IsaveDoor) -> list[BaseRoute]:
    """Return the route of the door, to stand before whatever else answers under ``/api/v1``."""
    commands = Commands(door)

    async def check(request: Request) -> Response:
        try:
            if request.method != "POST":
                raise No(405, "Method Not Allowed: POST a JSON object.", headers={"Allow": "POST"})
            ip = client_ip(request.scope)
            identity = await commands.admit(request.headers.get("x-api-key", "").strip(), ip)
            told = await commands.answer(identity, ip, await _body(request))
            after = None
            # A client that hung up has read nothing, and will ask again.
            if told.handed is not None and not await request.is_disconnected():
                after = BackgroundTask(commands.handed_out, identity, *told.handed)
            return reply(told.body, after)
        except No as no:
            return error(no)
        except (PoolTimeout, DatabaseError) as away:
            # Placing says for itself what is certain; all else orders nothing.
            log.error("an iSave call failed", error=type(away).__name__)
            return error(No(504))

    return [Route(PATH, check, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])]


async def _body(request: Request) -> Mapping[str, Any]:
    try:
        body = await ExactRequest(request.scope, request.receive, MAX_BODY).json()
    except (JSONDecodeError, HTTPException) as broken:
        raise No(400, "Bad Request: the body is not a JSON object that can be read.") from broken
    if not isinstance(body, dict):
        raise No(400, "Bad Request: the body is not a JSON object.")
    return body
