"""Every page of the admin in a large house: the server's time, the slowest first."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

import httpx2
import psycopg
from psycopg.rows import dict_row

from app.admin.pages import NOUNS
from bench.children import serving
from bench.house import EMAIL, HOUSE, PASSWORD, furnish
from bench.report import Line
from bench.scale import FULL
from bench.stage import Ground

TARGET_SECONDS = 0.150
TURNS = 5

FILTERS = (
    "/admin/dashboard?range=7d",
    "/admin/dashboard?range=30d",
    "/admin/orders?state=accepted",
    "/admin/orders?state=in_progress",
    "/admin/orders?state=late",
    "/admin/orders?state=unclear",
    "/admin/orders?state=held",
    "/admin/orders?state=completed",
    "/admin/orders?state=rejected",
    "/admin/orders?q=350000000000777",
    "/admin/orders?q=nothing-has-this",
    "/admin/orders?customer={customer_id}",
    "/admin/orders?service={service_id}",
    "/admin/orders?supplier={supplier_id}",
    "/admin/orders?customer={customer_id}&state=rejected",
    "/admin/orders?supplier={supplier_id}&state=rejected&from=2020-01-01",
    "/admin/orders?from=2020-01-01&to=2020-02-01",
    "/admin/services?q=variant+77",
    "/admin/services?q=nothing-has-this",
    "/admin/customers?search=reseller+77",
    "/admin/customers?search=nothing-has-this",
    "/admin/customers/{customer_id}/webhooks/{endpoint_id}?state=failed",
    "/admin/audit-log?kind=order",
    "/admin/audit-log?staff=1&from=2020-01-01&to=2020-02-01",
    "/admin/profit?by=service",
    "/admin/profit?by=customer",
)
"""What lists are asked for most, beside their first page."""

_IDS = {
    "alarm_id": "alarms", "approval_id": "approvals", "attempt_id": "attempts", "call_id": "exchanges",
    "change_id": "catalog_changes", "channel_id": "alarm_channels", "customer_id": "customers",
    "endpoint_id": "webhook_endpoints", "exchange_id": "exchanges", "group_id": "service_groups",
    "key_id": "api_keys", "method_id": "payment_methods", "order_id": "orders", "package_id": "topup_packages",
    "price_group_id": "price_groups", "remote_service_id": "remote_services", "request_id": "topup_requests",
    "route_id": "routes", "rule_id": "markup_rules", "run_id": "audit_runs", "service_id": "services",
    "staff_id": "staff", "supplier_id": "suppliers",
}  # fmt: skip
"""The table of the rows that a part of a path names."""


def measure(on: Ground) -> list[Line]:
    """Return a line for each page that has one to show; the slowest first."""
    url = on.database("house")
    scale = HOUSE if on.scale is FULL else replace(HOUSE, customers=20, services=200, transfers=5_000)
    asyncio.run(furnish(url, on.sealer(), scale))
    with serving("app", ["serve", "--workers", "1"], on.environment(url), on.folder / "pages.log", ready="/readyz") as (
        port,
        _,
    ):
        return lines(f"http://127.0.0.1:{port}", url)


def lines(base_url: str, database_url: str) -> list[Line]:
    """Return the lines of a house whose server answers at ``base_url``."""
    times: dict[str, float] = {}
    with httpx2.Client(base_url=base_url, timeout=60) as client:
        _sign_in(client)
        for _, path in paths(ids_of(database_url)):
            # The first one may have plans to make, and says whether there is a page.
            if _get(client, path) is not None:
                times[path] = median(time for time in (_get(client, path) for _ in range(TURNS)) if time is not None)
    slowest = sorted(times.items(), key=lambda one: -one[1])
    return [
        Line(
            path,
            f"{seconds * 1000:.0f} ms",
            target=f"< {TARGET_SECONDS * 1000:.0f} ms",
            met=seconds < TARGET_SECONDS,
        )
        for path, seconds in slowest
    ]


def paths(ids: Mapping[str, int]) -> Sequence[tuple[str, str]]:
    """Return every page that ``ids`` suffice for, and what lists are asked for most: as declared, and to be asked."""
    found = [
        f"/admin{route.path}" for noun in NOUNS for route in noun.pages.routes if "GET" in (route.methods or ())
    ] + list(FILTERS)
    named = [re.sub(r"\{(\w+):int\}", r"{\1}", path) for path in found]
    return [
        (path, path.format_map(ids))
        for path in named
        if set(re.findall(r"\{(\w+)\}", path)) <= set(ids) and "sign-in" not in path
    ]


def ids_of(database_url: str) -> Mapping[str, int]:
    """Return a row's id for each part of a path that names one."""
    with psycopg.connect(database_url, row_factory=dict_row) as conn:
        found = {}
        for name, table in _IDS.items():
            row = conn.execute(f"SELECT id FROM {table} ORDER BY id LIMIT 1").fetchone()
            if row is not None:
                found[name] = int(row["id"])
    return found


def _sign_in(client: httpx2.Client) -> None:
    form = client.get("/admin/sign-in").text
    token = re.search(r'name="csrf" value="([^"]+)"', form)
    if token is None:
        raise RuntimeError("there is no form to sign in with")
    fields = {"csrf": token[1], "email": EMAIL, "password": PASSWORD}
    answer = client.post("/admin/sign-in", data=fields)
    if answer.status_code != 303:
        raise RuntimeError(f"signing in answered {answer.status_code}")


def _get(client: httpx2.Client, path: str) -> float | None:
    """Return the seconds that a page took; None for a file, and for what leads elsewhere or does not know this row."""
    with client.stream("GET", path) as answer:
        if answer.status_code >= 500:
            raise RuntimeError(f"{path} answered {answer.status_code}")
        if answer.status_code != 200 or not answer.headers["content-type"].startswith("text/html"):
            return None
        answer.read()
    return answer.elapsed.total_seconds()
