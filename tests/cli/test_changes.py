"""What suppliers changed, on the command line: listed with the margins, approved by id or all at once."""

import asyncio

import pytest

from app.connectors.base import RemoteService, ServiceType
from app.db import Database
from app.money import MICRO
from app.sealing import Sealer
from app.suppliers.sync import apply_catalog
from tests.cli.conftest import SECRET_KEY, Run
from tests.factories import make_shop


async def _offer(conninfo: str, *costs: int) -> None:
    db = Database(conninfo)
    await db.open()
    try:
        async with db.pool.connection() as conn:
            known = await (await conn.execute("SELECT id FROM suppliers")).fetchone()
        supplier_id = known["id"] if known else (await make_shop(db, Sealer([SECRET_KEY]))).supplier_id
        services = [
            RemoteService(str(number), f"Remote {number}", "Theirs", kind, cost)
            for number, (kind, cost) in enumerate(zip((ServiceType.IMEI, ServiceType.SERVER), costs, strict=True), 1)
        ]
        async with db.transaction() as conn:
            await conn.execute("UPDATE remote_services SET fields = '[]'")
            await apply_catalog(conn, supplier_id, services)
    finally:
        await db.close()


@pytest.fixture
def risen(conninfo: str) -> None:
    """A shop whose supplier asks for 1.50 instead of 1.00 and for 4.50 instead of 3.00."""
    asyncio.run(_offer(conninfo, 15 * MICRO // 10, 45 * MICRO // 10))


def test_changes_are_listed_and_approved(run: Run, conninfo: str, risen: None) -> None:
    shown = run("supplier", "changes", "1")
    assert shown.exit_code == 0, shown.output
    assert [line.split("  ")[-1] for line in shown.stdout.splitlines()] == ["THEN", "0.50", "0.50"]
    first, second = (line.split()[0] for line in shown.stdout.splitlines()[1:])
    assert "cost 1.00" in shown.stdout
    assert "IMEI check" in shown.stdout

    assert run("supplier", "approve", "1", first).stdout == "Approved 1 change.\n"
    assert run("supplier", "approve", "1", first).stdout == "Approved 0 changes.\n"
    assert [line.split()[0] for line in run("supplier", "changes", "1").stdout.splitlines()[1:]] == [second]
    assert run("supplier", "approve", "1", "--all").stdout == "Approved 1 change.\n"
    assert run("supplier", "changes", "1").stdout == "There is no such change.\n"
    assert len(run("supplier", "changes", "1", "--state", "approved").stdout.splitlines()) == 3


def test_what_to_approve_has_to_be_said(run: Run, risen: None) -> None:
    assert run("supplier", "approve", "1").exit_code == 2
    assert run("supplier", "approve", "1", "1", "--all").exit_code == 2
    assert run("supplier", "changes", "nobody").stderr == "There is no supplier 'nobody'.\n"


def test_a_list_is_believed_of_one_supplier_that_is_named(run: Run, risen: None) -> None:
    for names in ((), ("1", "2")):
        assert run("supplier", "sync", *names, "--believe").exit_code == 2
    assert "cannot be read" in run("supplier", "sync", "1", "--believe").stderr
