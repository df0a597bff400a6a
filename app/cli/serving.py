"""The commands that run for long: serve, worker, simulator, up; and migrate, which they wait for."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from app.cli.processes import Supervisor
from app.cli.session import database, settings_or_exit
from app.db import Database
from app.migrate import migrate as migrate_database
from app.redis import Limiter
from app.settings import Settings
from app.webhooks.destinations import Rules
from app.worker.heartbeat import beat_for_ever
from app.worker.jobs.engine import run_for_ever, side_jobs
from app.worker.loop import Worker
from app.worker.sandbox import close_for_ever
from app.worker.webhooks import Messenger

SIMULATOR_PORT = 9100

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than clients and proxies keep theirs, mostly 60 seconds. Whoever sends
on one that we close in that moment cannot tell whether their order arrived."""


def migrate() -> None:
    """Bring the database to the newest schema; safe to repeat, and while others do the same.

    Example: DATABASE_URL=postgresql://trunkline:secret@db/trunkline trunkline migrate
    """
    with database(settings_or_exit()) as settings:
        print(f"The schema is at revision {migrate_database(settings.database_conninfo)}.")


def serve(
    workers: Annotated[
        int | None, typer.Option(min=1, help="Server processes; about one per core. Default: WORKERS.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. Default: PORT.")] = None,
) -> None:
    """Run the HTTP server: the DHRU endpoint, the staff API under /api/admin, health under /healthz and /readyz.

    Example: trunkline serve --workers 2 --host 0.0.0.0
    """
    given = {"workers": workers, "host": host, "port": port}
    with database(settings_or_exit(**{name: value for name, value in given.items() if value is not None})) as settings:
        # Each server process reads its settings from the environment; the embedded database is known only here.
        os.environ["DATABASE_URL"] = settings.database_conninfo
        uvicorn.run(
            "app.main:from_environment",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            # Keys may travel in the query of a GET; our own log lines say what happened without them.
            access_log=False,
            server_header=False,
            log_config=None,
            timeout_graceful_shutdown=20,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )


def worker() -> None:
    """Run one worker: sends orders to suppliers, asks after them, sweeps, and does the periodic side jobs.

    Any number may run, on any machines, on one database. SIGTERM ends it when its calls have ended; killed at any
    point, nothing is sent twice. Example: trunkline worker
    """
    with database(settings_or_exit()) as settings:
        asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    db = Database(settings.database_conninfo, pool_size=settings.database_pool_size)
    await db.open()
    sealer = settings.sealer()
    limiter = Limiter(settings.redis_url.get_secret_value() if settings.redis_url else None)
    order_path = Worker(
        db,
        sealer,
        tick_seconds=settings.worker_tick_ms / 1000,
        lease_seconds=settings.lease_seconds,
        limiter=limiter,
    )
    jobs = side_jobs(db, sealer, settings, limiter)
    rules = Rules.of(settings.webhook_allowed_networks, settings.webhook_ports, plain_http=settings.webhook_plain_http)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, order_path.stop)
    try:
        async with jobs.open_async():
            side = asyncio.create_task(run_for_ever(jobs))
            beating = asyncio.create_task(beat_for_ever(db, silent_seconds=settings.worker_silent_seconds))
            telling = asyncio.create_task(Messenger(db, sealer, rules).run())
            closing = asyncio.create_task(close_for_ever(db))
            try:
                await order_path.run()
            finally:
                beside = (beating, telling, closing, side)
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
    finally:
        await limiter.aclose()
        await db.close()


def simulator(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = SIMULATOR_PORT,
    data: Annotated[Path, typer.Option(help="SQLite file that keeps its orders.")] = Path("var/simulator.sqlite"),
    accept_seconds: Annotated[float, typer.Option(min=0, help="How long the reply to an order takes.")] = 0.0,
    work_seconds: Annotated[float, typer.Option(min=0, help="How long an order takes.")] = 3.0,
) -> None:
    """Run a supplier that really speaks DHRU and sells nothing real, to try things against.

    Its username is "simulator", its key the variable SIMULATOR_API_KEY. Example: trunkline simulator --port 9100
    """
    from app.simulator import DEFAULT_API_KEY, build_simulator  # noqa: PLC0415  only this command needs it

    data.parent.mkdir(parents=True, exist_ok=True)
    supplier = build_simulator(
        data,
        username="simulator",
        api_key=os.environ.get("SIMULATOR_API_KEY") or DEFAULT_API_KEY,
        accept_seconds=accept_seconds,
        work_seconds=work_seconds,
    )
    uvicorn.run(supplier, host="127.0.0.1", port=port, access_log=False, log_config=None)


def up(
    simulator: Annotated[
        bool, typer.Option("--simulator", help="Also run the simulator, and offer it as a first supplier.")
    ] = False,
) -> None:
    """Run everything in one go: database (embedded unless DATABASE_URL is set), migrations, server, one worker.

    Ctrl-C stops it cleanly. For production run serve and worker by themselves; see docs/deployment.md.
    """
    with database(settings_or_exit()) as settings:
        migrate_database(settings.database_conninfo)
        print(f"Trunkline is at {settings.base_url}; Ctrl-C stops it.", flush=True)
        Supervisor(*children_of(settings, simulator=simulator)).run()


def children_of(settings: Settings, *, simulator: bool) -> tuple[list[list[str]], dict[str, str]]:
    """Return the commands that ``up`` runs, and what they are to find in their environment."""
    children, environment = [["serve"], ["worker"]], {"DATABASE_URL": settings.database_conninfo}
    if simulator:
        children.append(["simulator", "--data", str(settings.var_dir / "simulator.sqlite")])
        environment["SIMULATOR_URL"] = f"http://127.0.0.1:{SIMULATOR_PORT}"
        if settings.simulator_api_key is not None:
            # In .env it is found by the server, which offers it to newcomers, but not by the simulator.
            environment["SIMULATOR_API_KEY"] = settings.simulator_api_key.get_secret_value()
    return children, environment
