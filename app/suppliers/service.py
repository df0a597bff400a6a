"""Our accounts upstream: adding them, reaching them through their connector, pausing them, keeping the evidence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb
from pydantic import SecretStr, ValidationError

from app.connectors import registry
from app.connectors.base import Connector
from app.connectors.http import Exchange
from app.db import Connection
from app.errors import Conflict, Invalid, NotFound
from app.sealing import Sealer
from app.suppliers.circuits import close_supplier
from app.suppliers.routing import RouteFacts
from app.suppliers.wording import Stored, read_wording


@dataclass(frozen=True, slots=True)
class SupplierAccount:
    """What is needed to reach a supplier: its kind and its configuration, still sealed."""

    id: int
    name: str
    kind: str
    config: dict[str, Any]
    sealed: bytes
    config_version: int
    currency: str
    concurrency: int
    requests_per_minute: int
    wording: Stored
    balance_is_proof: bool
    place_batch: int | None


async def add(
    conn: Connection, sealer: Sealer, *, name: str, kind: str, config: Mapping[str, object], currency: str
) -> int:
    """Add a supplier account and return its id; the config's secrets are sealed.

    Its requests per minute are those that the kind's document allows. Raises Invalid for an unknown kind or a config
    that the kind does not take, Conflict for a name that is taken.
    """
    name = name.strip()
    if not name or len(name) > 200:
        raise Invalid("A name has 1 to 200 characters.", field="name")
    open_part, secret_part = _split(kind, config)
    try:
        async with conn.transaction():
            cursor = await conn.execute(
                "INSERT INTO suppliers (name, kind, config, sealed, currency, requests_per_minute)"
                " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
                (
                    name,
                    kind,
                    Jsonb(open_part),
                    sealer.seal(orjson.dumps(secret_part).decode()),
                    currency,
                    registry.kinds()[kind].requests_per_minute,
                ),
            )
            row = await cursor.fetchone()
    except UniqueViolation as error:
        raise Conflict("A supplier of this name exists.", field="name") from error
    assert row is not None  # noqa: S101  INSERT ... RETURNING returns its row
    return int(row["id"])


def _split(kind: str, config: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str]]:
    """Check a config against its kind; return its open and its secret part."""
    try:
        checked = registry.kinds()[kind].config_type.model_validate(config)
    except KeyError as error:
        raise Invalid(f"There is no such kind; there are: {', '.join(registry.kinds())}.", field="kind") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"config.{where}: {first['msg']}", field=f"config.{where}") from error
    names = registry.secret_names(kind)
    open_part = checked.model_dump(mode="json", exclude=set(names))
    secret_part = {
        name: value.get_secret_value() for name in names if isinstance(value := getattr(checked, name), SecretStr)
    }
    return open_part, secret_part


async def change(
    conn: Connection,
    sealer: Sealer,
    supplier_id: int,
    *,
    name: str | None = None,
    config: Mapping[str, object] | None = None,
    concurrency: int | None = None,
    requests_per_minute: int | None = None,
    wording: Stored | None = None,
    state: str | None = None,
    because: str = "",
    balance_is_proof: bool | None = None,
    panel_url: str | None = None,
    place_batch: int | None = None,
) -> None:
    """Change what is given; ``conn`` is inside a transaction. Workers take a new config with their next call.

    ``config`` holds the values to change: None takes one back to its default, secrets that it does not name stay. State
    active also closes the circuit that a machine opened, with its alarms; ``because`` is why a supplier is paused.
    ``wording`` are those of ``checked_wording`` and replace all there were. Raises NotFound, Invalid, and Conflict for
    a name that is taken.
    """
    if name is not None and not 1 <= len(name.strip()) <= 200:
        raise Invalid("A name has 1 to 200 characters.", field="name")
    if state not in (None, "active", "paused"):
        raise Invalid("The state is active or paused.", field="state")
    if len(because) > 500:
        raise Invalid("A reason has at most 500 characters.", field="because")
    if concurrency is not None and not 1 <= concurrency <= 64:
        raise Invalid("The concurrency is 1 to 64 calls at a time.", field="concurrency")
    if requests_per_minute is not None and not 0 <= requests_per_minute <= 100_000:
        raise Invalid("The requests per minute are 0 (no limit) to 100000.", field="requests_per_minute")
    if place_batch is not None and not 0 <= place_batch <= 1000:
        raise Invalid("Orders in one call are 1 to 1000, or 0 for as many as they take.", field="place_batch")
    if panel_url and not panel_url.startswith(("https://", "http://")):
        raise Invalid("The panel's address starts with https:// or http://.", field="panel_url")
    row = await (await conn.execute(f"{_ACCOUNT} WHERE id = %s FOR UPDATE", (supplier_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such supplier.")
    try:
        async with conn.transaction():
            await conn.execute(
                "UPDATE suppliers SET name = COALESCE(%(name)s, name), state = COALESCE(%(state)s, state),"
                " paused_because = CASE %(state)s WHEN 'paused' THEN %(because)s WHEN 'active' THEN ''"
                " ELSE paused_because END,"
                " concurrency = COALESCE(%(concurrency)s, concurrency),"
                " requests_per_minute = COALESCE(%(per_minute)s, requests_per_minute),"
                " balance_is_proof = COALESCE(%(balance_is_proof)s, balance_is_proof),"
                " panel_url = COALESCE(%(panel_url)s, panel_url),"
                " place_batch = CASE WHEN %(place_batch)s::integer IS NULL THEN place_batch"
                " ELSE NULLIF(%(place_batch)s, 0) END WHERE id = %(id)s",
                {
                    "name": name.strip() if name else None,
                    "state": state,
                    "because": because.strip(),
                    "concurrency": concurrency,
                    "per_minute": requests_per_minute,
                    "balance_is_proof": balance_is_proof,
                    "panel_url": panel_url,
                    "place_batch": place_batch,
                    "id": supplier_id,
                },
            )
    except UniqueViolation as error:
        raise Conflict("A supplier of this name exists.", field="name") from error
    if state == "active":
        await close_supplier(conn, supplier_id)
    if wording is not None:
        # Workers build the connector anew when the version rises, and it takes the wording along.
        await conn.execute(
            "UPDATE suppliers SET wording = %s, config_version = config_version + 1 WHERE id = %s",
            (Jsonb(wording), supplier_id),
        )
    if config:
        open_part, secret_part = _merged(SupplierAccount(**row), sealer, config)
        await conn.execute(
            "UPDATE suppliers SET config = %s, sealed = %s, config_version = config_version + 1 WHERE id = %s",
            (Jsonb(open_part), sealer.seal(orjson.dumps(secret_part).decode()), supplier_id),
        )


def _merged(
    account: SupplierAccount, sealer: Sealer, changes: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, str]]:
    """Return the open and the secret part of an account's config with ``changes`` in it."""
    try:
        secrets = orjson.loads(sealer.open(account.sealed))
    except ValueError:
        secrets = {}  # no SECRET_KEY opens them any more: they have to be given again
    parts = _split(
        account.kind,
        {key: value for key, value in {**account.config, **secrets, **changes}.items() if value is not None},
    )
    if _host(parts[0]) != _host(account.config):
        # Else whoever may change the address could have our secrets sent to a server of their own.
        for name in secrets.keys() - changes.keys():
            raise Invalid("At another host the secrets have to be entered again.", field=f"config.{name}")
    return parts


def _host(config: Mapping[str, object]) -> str | None:
    try:
        return urlsplit(str(config.get("base_url", ""))).hostname
    except ValueError:
        return None


async def reseal(conn: Connection, sealer: Sealer) -> int:
    """Seal every supplier's secrets with the newest key and return how many there are.

    ``conn`` is inside a transaction. Conflict if there is one that no key opens; then none is to be changed.
    """
    cursor = await conn.execute("SELECT id, name, sealed FROM suppliers ORDER BY id FOR UPDATE")
    rows = await cursor.fetchall()
    for row in rows:
        try:
            sealed = sealer.reseal(row["sealed"])
        except ValueError as error:
            raise Conflict(f"No SECRET_KEY opens the secrets of supplier {row['name']}; enter them again.") from error
        await conn.execute("UPDATE suppliers SET sealed = %s WHERE id = %s", (sealed, row["id"]))
    return len(rows)


_ACCOUNT = (
    "SELECT id, name, kind, config, sealed, config_version, currency, concurrency, requests_per_minute, wording,"
    " balance_is_proof, place_batch FROM suppliers"
)


async def get(conn: Connection, supplier_id: int) -> SupplierAccount:
    """Return one supplier account; NotFound if there is none."""
    row = await (await conn.execute(f"{_ACCOUNT} WHERE id = %s", (supplier_id,))).fetchone()
    if row is None:
        raise NotFound("There is no such supplier.")
    return SupplierAccount(**row)


def connect(
    account: SupplierAccount, sealer: Sealer, *, transport: httpx2.AsyncBaseTransport | None = None
) -> Connector[Any]:
    """Return a connector for the account; close it with ``await connector.http.aclose()``.

    ``transport`` replaces the network.
    """
    config = {**account.config, **orjson.loads(sealer.open(account.sealed))}
    return registry.build(account.kind, config, wording=read_wording(account.wording), transport=transport)


@dataclass(frozen=True, slots=True)
class WorkingSupplier:
    """A supplier with due work, as of now."""

    account: SupplierAccount
    sends: bool
    polls: bool
    finds: bool


async def with_due_work(conn: Connection) -> list[WorkingSupplier]:
    """Return the suppliers whose attempts want to be sent or asked after now."""
    cursor = await conn.execute(
        "SELECT * FROM (SELECT id, name, kind, config, sealed, config_version, currency, concurrency,"
        " requests_per_minute, wording, balance_is_proof, place_batch,"
        " EXISTS (SELECT FROM attempts a WHERE a.supplier_id = s.id AND a.state = 'prepared'"
        "         AND a.due_at <= clock_timestamp()) AS sends,"
        " EXISTS (SELECT FROM attempts a WHERE a.supplier_id = s.id AND a.state = 'placed'"
        "         AND a.due_at <= clock_timestamp()) AS polls,"
        " EXISTS (SELECT FROM attempts a WHERE a.supplier_id = s.id AND a.state = 'unclear'"
        "         AND a.due_at <= clock_timestamp()) AS finds"
        " FROM suppliers s) w WHERE sends OR polls OR finds ORDER BY id"
    )
    rows = await cursor.fetchall()
    return [
        WorkingSupplier(
            sends=row.pop("sends"), polls=row.pop("polls"), finds=row.pop("finds"), account=SupplierAccount(**row)
        )
        for row in rows
    ]


async def route_facts(conn: Connection, wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], list[RouteFacts]]:
    """Return the routes of each service as they stand now, with their cost in the currency it was sold in."""
    facts: dict[tuple[int, str], list[RouteFacts]] = {pair: [] for pair in wanted}
    if not facts:
        return facts
    services, currencies = zip(*facts, strict=True)
    cursor = await conn.execute(
        "SELECT f.route_id, f.service_id, f.priority, c.cost, w.currency,"
        " route_rank(f.routing, f.priority, c.cost, f.success_permille) AS rank,"
        " f.blocked, extract(epoch FROM f.blocked_until - clock_timestamp())::double precision AS blocked_seconds"
        " FROM unnest(%s::bigint[], %s::text[]) AS w(service_id, currency)"
        " JOIN route_facts f ON f.service_id = w.service_id"
        " CROSS JOIN LATERAL (SELECT convert_up(f.cost, f.currency, w.currency) AS cost) c",
        (list(services), list(currencies)),
    )
    for row in await cursor.fetchall():
        facts[row["service_id"], row["currency"]].append(RouteFacts(**row))
    return facts


async def keep_exchanges(
    conn: Connection, supplier_id: int, call: str, exchanges: Sequence[Exchange], *, attempts: Sequence[int] = ()
) -> int | None:
    """Keep what was said on the wire as evidence; return the id of the last exchange, None if there was none.

    All of it is linked to ``attempts``, for calls that no column of theirs points to, or not to the whole of.
    """
    kept: list[int] = []
    for exchange in exchanges:
        cursor = await conn.execute(
            "INSERT INTO exchanges (supplier_id, call, at, method, url, request, status, reply, milliseconds, error)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            (
                supplier_id,
                call,
                exchange.at,
                exchange.method,
                _text(exchange.url),
                _text(exchange.request),
                exchange.status,
                _text(exchange.reply),
                exchange.milliseconds,
                _text(exchange.error) or None,
            ),
        )
        kept += [row["id"] for row in await cursor.fetchall()]
    if kept and attempts:
        await conn.execute(
            "INSERT INTO attempt_exchanges (attempt_id, exchange_id)"
            " SELECT a, e FROM unnest(%s::bigint[]) a CROSS JOIN unnest(%s::bigint[]) e",
            (list(attempts), kept),
        )
    return kept[-1] if kept else None


def _text(value: str) -> str:
    return value.replace("\x00", "").encode("utf-8", "replace").decode()
