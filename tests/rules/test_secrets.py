"""A new SECRET_KEY in front of the old one: everything keeps working, and what is used moves to the new key."""

import pytest

from app.customers.service import authenticate
from app.db import Database
from app.errors import Unauthenticated
from app.sealing import Sealer
from app.staff.service import authenticate as authenticate_staff
from app.staff.service import create_staff, create_token
from tests.factories import make_customer

OLD, NEW = "an old key that is about to be dropped", "a new key that takes over from the old"


async def test_keys_and_tokens_survive_the_rotation_when_used(db: Database) -> None:
    async with db.transaction() as conn:
        customer_id, _, key, _ = await make_customer(conn, Sealer([OLD]))
        staff_id = await create_staff(conn, email="a@b.c", name="A", role="owner")
        token = (await create_token(conn, Sealer([OLD]), staff_id)).token
    for keys in ([NEW, OLD], [NEW]):
        sealer = Sealer(keys)
        async with db.transaction() as conn:
            assert (await authenticate(conn, sealer.hashes(key), ip=None)).customer_id == customer_id
            assert (await authenticate_staff(conn, sealer, token)).id == staff_id
    async with db.transaction() as conn:
        with pytest.raises(Unauthenticated):
            await authenticate(conn, Sealer([OLD]).hashes(key), ip=None)
