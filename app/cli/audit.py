"""``trunkline audit``: the proof that no credit was lost, doubled or invented."""

import sys

import typer

from app.audit.promises import AuditResult
from app.audit.service import audit as prove
from app.cli.session import Session, with_database


def audit() -> None:
    """Prove that no credit was lost, doubled or invented. Exit code 1 and what is broken if the proof fails.

    Reads one snapshot, so it may run beside a busy server. Example: trunkline audit
    """

    async def work(session: Session) -> AuditResult:
        return await prove(session.db)

    result = with_database(work)
    print(
        f"Looked at {result.accounts} accounts, {result.transfers} transfers, {result.orders} orders,"
        f" {result.attempts} attempts in {result.seconds:.1f} s."
    )
    if result.ok:
        print("The books balance.")
        return
    for finding in result.findings:
        print(f"Broken: {finding.promise}: {finding.subject}: {finding.detail}", file=sys.stderr)
    for promise, times in result.breaks.items():
        print(f"{times} times: {promise}", file=sys.stderr)
    raise typer.Exit(1)
