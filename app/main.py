"""Puts the HTTP server together: the faces, what they share, health, and the order of starting and stopping."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from operator import attrgetter

import structlog
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout
from starlette.routing import Mount

from app import logs
from app.access.sessions import Lifetime
from app.admin import AdminDeps, install_staff_api
from app.admin.pages import PagesDeps, Simulator, page_routes
from app.alarms.watch import Watch
from app.api.dhru.door import Door
from app.api.dhru.endpoint import dhru_routes
from app.api.files import FileLinks, file_routes
from app.api.guessing import GuardedLookUps
from app.api.isave import IsaveDoor, isave_routes
from app.api.lookups import LookUps
from app.api.metrics import MetricsDoor, metrics_routes
from app.api.v1 import ApiDeps, v1_routes
from app.api.v1.shelf import Shelves
from app.api.webhooks import WebhookDoor, webhook_routes
from app.catalog.snapshot import CatalogCache
from app.customers.use import KeyUses
from app.db import Database
from app.house.service import House
from app.migrate import newest
from app.orders.waiting import Waiters
from app.pages.static import static_files
from app.portal import PortalDeps, portal_routes
from app.portal.board import Board
from app.redis import Limiter
from app.settings import Settings, load_settings
from app.simulator import DEFAULT_API_KEY
from app.webhooks.destinations import Rules
from app.worker.wake import Bell

log = structlog.get_logger()


def build_app(settings: Settings) -> FastAPI:
    """Return the server as an ASGI app; its lifespan opens and closes the database."""
    db = Database(settings.database_conninfo, pool_size=settings.database_pool_size)
    sealer = settings.sealer()
    limiter = Limiter(settings.redis_url.get_secret_value() if settings.redis_url else None)
    bell = Bell(settings.database_conninfo)
    links = FileLinks(settings.base_url, sealer)
    catalog = CatalogCache(db)
    lookups = LookUps(db)
    uses = KeyUses(db)
    guarded = GuardedLookUps(lookups, limiter)
    waiters = Waiters(db)
    webhook_rules = Rules.of(
        settings.webhook_allowed_networks, settings.webhook_ports, plain_http=settings.webhook_plain_http
    )
    house = House(db, settings)
    lifetime = _lifetime(settings)
    watch = Watch(
        db,
        sealer,
        silent_seconds=settings.worker_silent_seconds,
        overdue_seconds=settings.work_overdue_seconds,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await db.open()
        beside = [asyncio.create_task(bell.run()), asyncio.create_task(watch.run()), asyncio.create_task(uses.run())]
        beside.append(asyncio.create_task(house.run()))
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await limiter.aclose()
            await db.close()

    app = FastAPI(
        title="Trunkline",
        summary="A DHRU-compatible supplier aggregator.",
        version="0.1.0",
        lifespan=lifespan,
        # A redirected POST loses its body in most clients; every path we answer is answered where it is.
        redirect_slashes=False,
    )
    app.state.db = db
    app.router.routes.extend(
        dhru_routes(
            house.follow(
                Door(
                    db=db,
                    sealer=sealer,
                    catalog=catalog,
                    lookups=lookups,
                    limit=limiter.hit,
                    used=uses.note,
                    placed=bell.ring,
                    requests_per_minute=settings.dhru_requests_per_minute,
                    duplicate_window_seconds=settings.duplicate_window_seconds,
                    max_body_bytes=settings.max_body_bytes,
                    max_file_bytes=settings.max_file_bytes,
                    file_link=links.link,
                ),
                requests_per_minute=attrgetter("dhru_requests_per_minute"),
                duplicate_window_seconds=attrgetter("duplicate_window_seconds"),
            )
        )
    )
    app.router.routes.extend(file_routes(db, links))
    app.router.routes.extend(webhook_routes(WebhookDoor(db=db, sealer=sealer, limit=limiter.hit, due=bell.ring)))
    app.router.routes.extend(
        metrics_routes(
            MetricsDoor(
                db=db,
                token=settings.metrics_token.get_secret_value() if settings.metrics_token else None,
                silent_seconds=settings.worker_silent_seconds,
            )
        )
    )
    app.router.routes.extend(
        isave_routes(
            house.follow(
                IsaveDoor(
                    db=db,
                    sealer=sealer,
                    catalog=catalog,
                    lookups=guarded,
                    limiter=limiter,
                    uses=uses,
                    waiters=waiters,
                    placed=bell.ring,
                    requests_per_minute=settings.api_requests_per_minute,
                    duplicate_window_seconds=settings.duplicate_window_seconds,
                    wait_seconds=settings.isave_wait_seconds,
                    file_link=links.link,
                ),
                requests_per_minute=attrgetter("api_requests_per_minute"),
                duplicate_window_seconds=attrgetter("duplicate_window_seconds"),
            )
        )
    )
    app.router.routes.extend(
        v1_routes(
            house.follow(
                ApiDeps(
                    db=db,
                    sealer=sealer,
                    catalog=catalog,
                    shelves=Shelves(db, catalog),
                    lookups=guarded,
                    limiter=limiter,
                    uses=uses,
                    waiters=waiters,
                    placed=bell.ring,
                    requests_per_minute=settings.api_requests_per_minute,
                    duplicate_window_seconds=settings.duplicate_window_seconds,
                    max_body_bytes=settings.max_body_bytes,
                    max_file_bytes=settings.max_file_bytes,
                    file_link=links.link,
                    base_url=settings.base_url,
                    webhook_rules=webhook_rules,
                ),
                requests_per_minute=attrgetter("api_requests_per_minute"),
                duplicate_window_seconds=attrgetter("duplicate_window_seconds"),
            )
        ),
    )
    app.router.routes.append(Mount("/static", static_files()))
    app.router.routes.extend(
        page_routes(
            house.follow(
                PagesDeps(
                    db=db,
                    sealer=sealer,
                    limit=limiter.hit,
                    lifetime=lifetime,
                    base_url=settings.base_url,
                    brand=settings.brand,
                    currency=settings.currency,
                    second_factor_roles=settings.second_factor_roles,
                    four_eyes_above=settings.four_eyes_above,
                    simulator=_simulator(settings),
                    house=house,
                ),
                brand=attrgetter("brand"),
                lifetime=_lifetime,
                four_eyes_above=attrgetter("four_eyes_above"),
            )
        )
    )

    app.router.routes.extend(
        portal_routes(
            house.follow(
                PortalDeps(
                    db=db,
                    sealer=sealer,
                    limit=limiter.hit,
                    lifetime=lifetime,
                    base_url=settings.base_url,
                    brand=settings.brand,
                    currency=settings.currency,
                    catalog=catalog,
                    placed=bell.ring,
                    file_link=links.link,
                    duplicate_window_seconds=settings.duplicate_window_seconds,
                    has_mail=settings.smtp_url is not None,
                    webhook_rules=webhook_rules,
                    board=Board(db, catalog),
                ),
                brand=attrgetter("brand"),
                lifetime=_lifetime,
                duplicate_window_seconds=attrgetter("duplicate_window_seconds"),
            )
        )
    )

    @app.get("/healthz", tags=["health"], summary="Whether this process answers")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/readyz",
        tags=["health"],
        summary="Whether this process can do its work",
        responses={503: {"description": "The database is away or its schema is not the one this code expects."}},
    )
    async def readyz() -> JSONResponse:
        problem = await _unready(db)
        if problem is not None:
            return JSONResponse({"status": "not ready", "problem": problem}, status_code=503)
        return JSONResponse({"status": "ready"})

    install_staff_api(
        app,
        house.follow(
            AdminDeps(db=db, sealer=sealer, currency=settings.currency, four_eyes_above=settings.four_eyes_above),
            four_eyes_above=attrgetter("four_eyes_above"),
        ),
    )
    return app


def _simulator(settings: Settings) -> Simulator | None:
    """Return where the simulator runs, None if nobody said."""
    if settings.simulator_url is None:
        return None
    key = settings.simulator_api_key
    return Simulator(settings.simulator_url, key.get_secret_value() if key else DEFAULT_API_KEY)


def _lifetime(settings: Settings) -> Lifetime:
    return Lifetime(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))


async def _unready(db: Database) -> str | None:
    """Return why the process cannot work, None if it can."""
    try:
        async with asyncio.timeout(3), db.pool.connection() as conn:
            row = await (await conn.execute("SELECT version_num FROM alembic_version")).fetchone()
    except (DatabaseError, PoolTimeout, TimeoutError) as error:
        log.warning("not ready", error=type(error).__name__)
        return "the database does not answer, or was never migrated"
    if row is None or row["version_num"] != newest():
        return "the database's schema is not the one this code expects; run the migrations"
    return None


def from_environment() -> FastAPI:
    """Return the server as the environment describes it; what each server process calls."""
    settings = load_settings()
    logs.configure(settings.log_level, as_json=settings.logs_as_json)
    return build_app(settings)
