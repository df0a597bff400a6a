"""The connection under a session: one transaction for both, and each reads rows in its own way."""

from sqlalchemy import select, text

from app.customers.service import create_customer
from app.customers.tables import Customer
from app.db import Database, driver


async def test_a_nested_transaction_does_not_commit_the_sessions(db: Database) -> None:
    async with db.sessions() as session:
        async with driver(session) as conn:
            # It opens a transaction of its own inside.
            await create_customer(conn, name="Fix It", email="a@fix.example", currency="USD")
        assert await session.scalar(select(Customer.name)) == "Fix It"
        await session.rollback()
    async with db.sessions() as session:
        assert await session.scalar(select(Customer.name)) is None


async def test_the_session_reads_rows_and_the_connection_dicts(db: Database) -> None:
    async with db.sessions() as session:
        for _ in range(2):
            async with driver(session) as conn:
                assert await (await conn.execute("SELECT 1 AS a")).fetchall() == [{"a": 1}]
            assert (await session.execute(text("SELECT 1 AS a"))).all() == [(1,)]
