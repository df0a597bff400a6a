"""Callers who come together are looked up together, and each gets their own answer."""

import asyncio

import psycopg
import pytest

from app.api.lookups import LookUps
from app.customers.keys import create_key, revoke_key
from app.customers.service import AddressRefused, Asker
from app.db import Database
from app.errors import Unauthenticated
from app.sealing import Sealer
from tests.factories import make_customer


async def test_each_gets_their_own_answer(db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        customers = [await make_customer(conn, sealer, name=f"Reseller{n}") for n in range(20)]
        bound = await create_key(conn, sealer, customers[0][0], allowed_ips=["203.0.113.7"])
        revoked = await create_key(conn, sealer, customers[0][0])
        await revoke_key(conn, revoked.id)
    lookups = LookUps(db)

    def ask(key: str, username: str = "") -> asyncio.Task[object]:
        return asyncio.create_task(lookups.identify(Asker(sealer.hashes(key), "127.0.0.1", username)))

    known = [ask(key, username) for _, username, key, _ in customers]
    strangers = [ask("tk_nobody"), ask(revoked.key), ask(customers[1][2], customers[2][1])]
    elsewhere = ask(bound.key)
    answers = await asyncio.gather(*known, *strangers, elsewhere, return_exceptions=True)

    assert [getattr(answer, "customer_id", None) for answer in answers[:20]] == [customer[0] for customer in customers]
    assert [type(answer) for answer in answers[20:]] == [Unauthenticated] * 3 + [AddressRefused]


async def test_what_the_database_does_not_take_from_one_harms_nobody_else(db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        customer_id, _, key, _ = await make_customer(conn, sealer)
    lookups = LookUps(db)
    hashes = sealer.hashes(key)
    first = asyncio.create_task(lookups.identify(Asker(hashes, "127.0.0.1")))
    crooked = asyncio.create_task(lookups.identify(Asker(hashes, "no address")))
    gone = asyncio.create_task(lookups.identify(Asker(hashes, "127.0.0.1")))
    last = asyncio.create_task(lookups.identify(Asker(hashes, "127.0.0.1")))
    await asyncio.sleep(0)
    gone.cancel()

    with pytest.raises(psycopg.DataError):
        await crooked
    assert [(await task).customer_id for task in (first, last)] == [customer_id, customer_id]
    assert gone.cancelled()


async def test_a_revocation_counts_from_the_next_look_up_on(db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        _, _, key, key_id = await make_customer(conn, sealer)
    lookups = LookUps(db)
    asker = Asker(sealer.hashes(key), "127.0.0.1")
    await asyncio.gather(*(lookups.identify(asker) for _ in range(5)))
    async with db.pool.connection() as conn:
        await revoke_key(conn, key_id)
    with pytest.raises(Unauthenticated):
        await lookups.identify(asker)
