"""Puts the REST API together as an app of its own, which the server mounts."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute, Mount

from app.api.v1 import account, devices, order_calls, orders, prices, services, statement, topups, webhooks
from app.api.v1.deps import ApiDeps
from app.api.v1.exports import postman
from app.api.v1.limits import LimitHeaders
from app.api.v1.reference import add_reference
from app.api.v1.responses import EVERYWHERE
from app.web.problems import install_error_handlers

PREFIX = "/api/v1"


def v1_routes(parts: ApiDeps) -> list[BaseRoute]:
    """Return the one route behind which the REST API is, with everything that begins with ``PREFIX``."""
    mount = Mount(PREFIX, v1_app(parts))
    # As it comes, it does not match a path with a line break, which somebody else would then answer.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return [mount]


def v1_app(parts: ApiDeps) -> FastAPI:
    """Return the REST API, working on ``parts``."""
    app = _described()
    app.state.parts = parts
    add_reference(app, PREFIX)

    @app.get("/postman.json", include_in_schema=False)
    async def collection() -> JSONResponse:
        return JSONResponse(postman(app.openapi(), f"{parts.base_url}{PREFIX}"))

    app.add_middleware(LimitHeaders)
    install_error_handlers(app)
    return app


def v1_document() -> dict[str, Any]:
    """Return the OpenAPI document of the REST API; it needs no database."""
    return _described().openapi()


def _described() -> FastAPI:
    app = FastAPI(
        title="Trunkline API",
        summary="Services, orders and money of a reseller.",
        version="1.0.0",
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        responses=EVERYWHERE,
    )
    for noun in (account, services, prices, devices, orders, order_calls, statement, topups, webhooks):
        app.include_router(noun.router)
    return app
