"""When the database is away, or goes away at the worst moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import httpx2
import psycopg
import pytest
from sqlalchemy.engine import make_url
from starlette.applications import Starlette

from app.api.dhru import dhru_routes
from app.api.dhru.door import Door
from app.catalog.snapshot import CatalogCache
from app.db import Database
from app.money import MICRO
from tests.dhru import clients
from tests.dhru.conftest import Panel, read, xml
from tests.factories import IMEIS, Shop
from tests.serving import serving


@dataclass
class Wire:
    """A wire between the pool and Postgres that can lose the answer to the next statement that says ``needle``.

    With ``breaks`` it loses everything else with it, and carries nothing any more.
    """

    target: tuple[str, int]
    needle: bytes = b""
    breaks: bool = False
    broken: bool = False
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection both ways."""
        if self.broken:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(*self.target)
        self.writers += [writer, far_writer]
        deaf = asyncio.Event()
        await asyncio.gather(self._there(reader, far_writer, deaf), self._back(far_reader, writer, deaf))

    async def _there(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if self.needle and self.needle in data:
                    self.needle = b""
                    deaf.set()
                    self.broken = self.breaks
                writer.write(data)
                await writer.drain()
                if self.broken:
                    for near in self.writers[::2]:
                        near.close()
        # A statement that is on its way shall arrive.
        if not self.broken:
            writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while (data := await reader.read(65_536)) and not deaf.is_set():
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def wire(conninfo: str) -> Wire:
    """The wire to this test's Postgres."""
    url = make_url(conninfo)
    return Wire((url.host or "127.0.0.1", url.port or 5432))


@pytest.fixture
async def wired(wire: Wire, conninfo: str, door: Door, shop: Shop) -> AsyncIterator[Panel]:
    """A panel whose door reaches Postgres over the wire."""
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    through = make_url(conninfo).set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    db = Database(through, pool_size=2)
    await db.open()
    app = Starlette(routes=dhru_routes(replace(door, db=db, catalog=CatalogCache(db))))
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, timeout=60) as http:
        # Orders and balance are looked up beside the wire.
        yield Panel(http=http, shop=shop, door=door)
    await db.close()
    server.close()
    for writer in wire.writers:
        writer.close()


async def test_a_lost_answer_is_not_called_a_failure(wired: Panel, wire: Wire) -> None:
    await wired.place(wired.shop.imei_service, IMEIS[0])
    wire.needle = IMEIS[1].encode()
    reply = await wired.place(wired.shop.imei_service, IMEIS[1])
    # It was placed, but nobody can know: clients must come back, and then find it.
    assert len(await wired.orders()) == 2
    [error] = reply["ERROR"]
    assert "timeout" in error["MESSAGE"]
    assert "may have been received" in error["FULL_DESCRIPTION"]
    assert clients.mix_action(reply) == "later"
    again = await wired.place(wired.shop.imei_service, IMEIS[1])
    assert again["SUCCESS"][0]["REFERENCEID"] == (await wired.orders())[1]["id"]
    assert await wired.balance() == 996 * MICRO


async def test_pain_2_a_lost_answer_is_not_called_a_failure_while_the_database_stays_away(
    wired: Panel, wire: Wire
) -> None:
    await wired.place(wired.shop.imei_service, IMEIS[0])
    wire.breaks, wire.needle = True, IMEIS[1].encode()
    [error] = (await wired.place(wired.shop.imei_service, IMEIS[1]))["ERROR"]
    assert "may have been received" in error["FULL_DESCRIPTION"]
    async with asyncio.timeout(60):
        while len(await wired.orders()) < 2:  # noqa: ASYNC110  in Postgres
            await asyncio.sleep(0.05)


async def test_a_lost_answer_to_a_bulk_speaks_for_all_rows(wired: Panel, wire: Wire) -> None:
    wire.needle = IMEIS[1].encode()
    rows = [{"ID": wired.shop.imei_service, "IMEI": IMEIS[number]} for number in (0, 1)]
    reply = read(
        await wired.http.post(
            wired.path, json={"key": wired.shop.key, "action": "placeimeiorderbulk", "parameters": rows}
        )
    )
    assert "may have been received" in reply["ERROR"][0]["FULL_DESCRIPTION"]
    assert list(reply) == ["ERROR", "apiversion"]
    assert len(await wired.orders()) == 2


@pytest.fixture
async def away(panel: Panel, conninfo: str, server: str) -> AsyncIterator[Panel]:
    """A panel whose database refuses every connection, after the door had some."""
    await panel.place(panel.shop.imei_service, IMEIS[0])
    panel.door.db.pool.timeout = 0.3
    name = str(make_url(conninfo).database)
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield panel
        conn.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())


STATUS_ACTIONS = ("getimeiorder", "getimeiorderbulk", "orderstatus", "getfileorder")
OTHER_ACTIONS = ("accountinfo", "imeiservicelist", "getimeiservicedetails", "nonsense", "modellist")


async def test_status_calls_get_silence_and_others_a_retryable_error(away: Panel) -> None:
    order = xml({"ID": "1"})
    for _ in range(2):
        for action in STATUS_ACTIONS:
            response = await away.send(action, parameters=order)
            assert (response.status_code, response.content) == (503, b""), action
        for action in OTHER_ACTIONS:
            reply = await away.call(action, parameters=order)
            assert clients.mix_action(reply) == "later", action
            assert "maintenance" in reply["ERROR"][0]["MESSAGE"], action


async def test_placing_without_a_database(away: Panel) -> None:
    for number in range(4):
        reply = await away.place(away.shop.imei_service, IMEIS[number])
        assert clients.mix_action(reply) == "later"
    # With no connection to be had it is certain that nothing was placed.
    reply = await away.place(away.shop.imei_service, IMEIS[0])
    assert reply["ERROR"][0]["MESSAGE"].startswith("Website is in maintenance")


async def test_a_fault_in_the_statement_itself_places_nothing(panel: Panel, db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute("ALTER FUNCTION place_orders RENAME TO place_orders_away")
    reply = await panel.place(panel.shop.imei_service, IMEIS[0])
    assert reply["ERROR"][0]["MESSAGE"].startswith("Website is in maintenance")
    assert "nothing was ordered" in reply["ERROR"][0]["FULL_DESCRIPTION"]
    assert await panel.orders() == []
