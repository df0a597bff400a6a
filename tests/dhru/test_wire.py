"""Every golden wire file, over a real connection, byte for byte."""

from pathlib import Path

import pytest

from app.db import Database
from app.sealing import Sealer
from tests.dhru.conftest import Panel
from tests.dhru.wire import FOLDER, KEY, exchange, read_story
from tests.factories import Shop

STORIES = sorted(FOLDER.glob("*.http"))


async def set_stage(db: Database, sealer: Sealer, shop: Shop, given: list[tuple[str, str, str]]) -> None:
    """Give the reseller the key that the files use, and the orders a file begins with."""
    async with db.transaction() as conn:
        await conn.execute("UPDATE api_keys SET key_hash = %s WHERE id = %s", (sealer.hash(KEY), shop.key_id))
        for device, state, text in given:
            await conn.execute(
                "INSERT INTO orders (customer_id, service_id, state, price, currency, quantity, device, fields,"
                " fingerprint, guarded, source, result, reason, closed_at)"
                " VALUES (%(customer)s, %(service)s, %(state)s, 0, 'USD', 1, %(device)s, '{}', '', true, 'dhru',"
                " CASE %(state)s WHEN 'completed' THEN %(text)s END, CASE %(state)s WHEN 'rejected' THEN %(text)s END,"
                " CASE WHEN %(state)s IN ('completed', 'rejected') THEN now() END)",
                {
                    "customer": shop.customer_id,
                    "service": shop.imei_service,
                    "state": state,
                    "device": device,
                    "text": text,
                },
            )


def test_there_are_stories() -> None:
    assert len(STORIES) > 40


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
async def test_wire(path: Path, panel: Panel, db: Database, sealer: Sealer) -> None:
    story = read_story(path)
    assert story.exchanges
    await set_stage(db, sealer, panel.shop, story.given)
    for request, expected in story.exchanges:
        status, headers, body = await exchange(str(panel.http.base_url), request)
        assert body.decode() == expected.decode()
        assert status == 200
        assert headers["content-type"].endswith("; charset=utf-8")
        assert headers["content-length"] == str(len(body))
