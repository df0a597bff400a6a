"""A supplier whose catalogue the tests read."""

import pytest

from app.db import Database
from app.sealing import Sealer
from tests.factories import make_supplier


@pytest.fixture
async def supplier_id(db: Database, sealer: Sealer) -> int:
    """A supplier with nothing in its catalogue yet."""
    async with db.transaction() as conn:
        return await make_supplier(conn, sealer)
