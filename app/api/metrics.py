"""``GET /metrics`` for Prometheus: what waits, how long, and what is wrong, read from Postgres when it is asked for.

Every process answers the same, because nothing is counted in a process. What is read is bounded by the orders that are
open and by the number of suppliers, never by the orders there ever were.

=====================================  ==================================================================
trunkline_orders_open                  by state
trunkline_attempts_open                by supplier and state
trunkline_attempts_unclear             those that wait for evidence or a person
trunkline_dispatch_lag_seconds         by supplier: how long the oldest order that may be sent waits
trunkline_poll_lag_seconds             by supplier: how long the oldest order that is to be asked after waits
trunkline_find_lag_seconds             by supplier: how long the oldest lost order that is to be looked for waits
trunkline_alarms_open                  by kind and severity, acknowledged ones included
trunkline_alarm_channel_failures       by channel: failures in a row
trunkline_workers_seen                 workers that gave a sign of life lately
trunkline_worker_silence_seconds       since the last sign of life of any worker
trunkline_supplier_balance             by supplier and currency, as last told
trunkline_supplier_paused              by supplier: 1 while it is left alone
=====================================  ==================================================================
"""

import hmac
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from app.alarms.kinds import AlarmKind
from app.db import Database
from app.money import MICRO

LONGEST_MS = 5000
"""A reading that takes longer is given up: watching must not become the trouble."""

log = structlog.get_logger()

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")

_ORDERS: LiteralString = (
    "SELECT state, count(*) AS n FROM orders WHERE state IN ('accepted', 'in_progress') GROUP BY state"
)
# The states are written as in the index of live attempts, so that only those are read.
_ATTEMPTS: LiteralString = """
SELECT supplier_id, state, count(*) AS n, extract(epoch FROM clock_timestamp() - min(due_at))::float AS lag
FROM attempts WHERE state IN ('prepared', 'sending', 'placed', 'unclear') GROUP BY supplier_id, state
"""
_SUPPLIERS: LiteralString = """
SELECT id, name, currency::text AS currency, balance,
       state = 'paused' OR COALESCE(paused_until > clock_timestamp(), false) AS paused
FROM suppliers ORDER BY id
"""
_ALARMS: LiteralString = "SELECT kind, count(*) AS n FROM alarms WHERE state <> 'closed' GROUP BY kind"
_CHANNELS: LiteralString = "SELECT name, failures FROM alarm_channels WHERE active ORDER BY id"
_WORKERS: LiteralString = """
SELECT count(*) FILTER (WHERE seen_at > clock_timestamp() - make_interval(secs => %s)) AS seen,
       extract(epoch FROM clock_timestamp() - max(seen_at))::float AS silence
FROM workers
"""


@dataclass(frozen=True, slots=True)
class MetricsDoor:
    """What the door needs. Without ``token`` only this machine is answered; workers count for ``silent_seconds``."""

    db: Database
    token: str | None
    silent_seconds: float


def metrics_routes(door: MetricsDoor) -> list[BaseRoute]:
    """Return the one route."""

    async def metrics(request: Request) -> Response:
        refusal = _refused(request, door.token)
        if refusal is not None:
            return refusal
        try:
            found = await _read(door)
        except (DatabaseError, PoolTimeout) as error:
            log.warning("metrics could not be read", error=type(error).__name__)
            return PlainTextResponse("the database does not answer\n", 503)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Found(found))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return [Route("/metrics", metrics, methods=["GET"])]


def _refused(request: Request, token: str | None) -> Response | None:
    """Return the reply to who may not read the metrics, None for who may."""
    if token is not None:
        given = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
        if hmac.compare_digest(given, f"Bearer {token}".encode()):
            return None
        return PlainTextResponse("a bearer token is needed\n", 401, headers={"WWW-Authenticate": "Bearer"})
    # Behind a proxy on this machine everybody comes from loopback; what it adds gives that away.
    local = _is_loopback(request.client.host if request.client else "")
    if local and not any(name in request.headers for name in _FORWARDED):
        return None
    return PlainTextResponse("only for this machine; set METRICS_TOKEN for others\n", 403)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _read(door: MetricsDoor) -> list[Metric]:
    rows: dict[str, Sequence[dict[str, Any]]] = {}
    async with door.db.transaction() as conn:
        # One snapshot, so that every attempt's supplier is among the suppliers.
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await conn.execute(f"SET LOCAL statement_timeout = {LONGEST_MS}")
        for name, query in (
            ("orders", _ORDERS),
            ("attempts", _ATTEMPTS),
            ("suppliers", _SUPPLIERS),
            ("alarms", _ALARMS),
            ("channels", _CHANNELS),
        ):
            rows[name] = await (await conn.execute(query)).fetchall()
        rows["workers"] = await (await conn.execute(_WORKERS, (door.silent_seconds,))).fetchall()
    return [
        *_work(rows["orders"], rows["attempts"], {row["id"]: row["name"] for row in rows["suppliers"]}),
        *_suppliers(rows["suppliers"]),
        *_alarms(rows["alarms"], rows["channels"]),
        *_workers(rows["workers"]),
    ]


def _work(orders: Iterable[dict[str, Any]], attempts: Sequence[dict[str, Any]], names: dict[int, str]) -> list[Metric]:
    open_orders = GaugeMetricFamily("trunkline_orders_open", "Orders that are open.", labels=["state"])
    counted = {"accepted": 0, "in_progress": 0, **{row["state"]: row["n"] for row in orders}}
    for state, number in counted.items():
        open_orders.add_metric([state], number)
    live = GaugeMetricFamily("trunkline_attempts_open", "Attempts that are open.", labels=["supplier", "state"])
    unclear = GaugeMetricFamily("trunkline_attempts_unclear", "Attempts that wait for evidence or a person.")
    unclear.add_metric([], sum(row["n"] for row in attempts if row["state"] == "unclear"))
    for row in attempts:
        live.add_metric([names[row["supplier_id"]], row["state"]], row["n"])
    lags = []
    for state, name, text in (
        ("prepared", "trunkline_dispatch_lag_seconds", "How long the oldest order that may be sent waits."),
        ("placed", "trunkline_poll_lag_seconds", "How long the oldest order that is to be asked after waits."),
        ("unclear", "trunkline_find_lag_seconds", "How long the oldest lost order that is to be looked for waits."),
    ):
        family = GaugeMetricFamily(name, text, labels=["supplier"])
        due = {row["supplier_id"]: row["lag"] for row in attempts if row["state"] == state}
        for supplier_id, supplier in names.items():
            family.add_metric([supplier], max(0.0, due.get(supplier_id, 0.0)))
        lags.append(family)
    return [open_orders, live, unclear, *lags]


def _suppliers(rows: Iterable[dict[str, Any]]) -> list[Metric]:
    balance = GaugeMetricFamily(
        "trunkline_supplier_balance", "Our credit there, as last told.", labels=["supplier", "currency"]
    )
    paused = GaugeMetricFamily("trunkline_supplier_paused", "1 while it is left alone.", labels=["supplier"])
    for row in rows:
        paused.add_metric([row["name"]], float(row["paused"]))
        if row["balance"] is not None:
            # Prometheus knows floats alone; nothing reads this back.
            balance.add_metric([row["name"], row["currency"]], row["balance"] / MICRO)
    return [balance, paused]


def _alarms(rows: Iterable[dict[str, Any]], channels: Iterable[dict[str, Any]]) -> list[Metric]:
    alarms = GaugeMetricFamily("trunkline_alarms_open", "Alarms that are not closed.", labels=["kind", "severity"])
    live = {row["kind"]: row["n"] for row in rows}
    for kind in AlarmKind:
        alarms.add_metric([kind.value, kind.meaning.severity.value], live.get(kind.value, 0))
    failures = GaugeMetricFamily("trunkline_alarm_channel_failures", "Failures in a row.", labels=["channel"])
    for row in channels:
        failures.add_metric([row["name"]], row["failures"])
    return [alarms, failures]


def _workers(rows: Iterable[dict[str, Any]]) -> list[Metric]:
    seen = GaugeMetricFamily("trunkline_workers_seen", "Workers that gave a sign of life lately.")
    silence = GaugeMetricFamily("trunkline_worker_silence_seconds", "Since the last sign of life of any worker.")
    for row in rows:
        seen.add_metric([], row["seen"])
        if row["silence"] is not None:
            silence.add_metric([], max(0.0, row["silence"]))
    return [seen, silence]


class _Found(Collector):
    """Hands the metrics of one reading to Prometheus's own writer."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._found
