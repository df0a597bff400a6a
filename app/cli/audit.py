"""``trunkline audit``: the ledger's proof."""

import sys

import typer

from app.cli.session import Session, with_database
from app.ledger.audit import AuditResult
from app.ledger.audit import audit as prove


def audit() -> None:
    """Prove that no credit was lost, doubled or invented. Exit code 1 and what is broken if the proof fails.

    Reads one snapshot, so it may run beside a busy server. Example: trunkline audit
    """

    async def work(session: Session) -> AuditResult:
        async with session.db.pool.connection() as conn:
            return await prove(conn)

    result = with_database(work)
    print(f"Looked at {result.accounts} accounts, {result.transfers} transfers, {result.orders} orders.")
    if result.ok:
        print("The books balance.")
        return
    for finding in result.findings:
        print(f"Broken: {finding.promise}: {finding.subject}: {finding.detail}", file=sys.stderr)
    raise typer.Exit(1)
