"""``trunkline supplier``: our accounts upstream; and ``trunkline rotate-secrets``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from app.access.second_factor import reseal_second_factors
from app.alarms.channels import reseal_channels
from app.cli.output import MAX_ID, Limit, progress, table
from app.cli.session import Session, fail, with_database
from app.connectors import registry
from app.errors import TrunklineError
from app.money import format_amount
from app.suppliers import changes, records, service
from app.suppliers.changes import ChangeRow, ChangeState
from app.suppliers.changes_margin import Effect
from app.suppliers.contact import sync_supplier, try_out
from app.suppliers.diagnosis import Diagnosis
from app.suppliers.records import RemoteServiceRow, SupplierRow
from app.webhooks.endpoints import reseal_endpoints

commands = typer.Typer(help="Our accounts upstream, and what they sell.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="SUPPLIER", help="The supplier's name or id.")]


@commands.command()
def add(
    name: Annotated[str, typer.Argument(help="What we call this account.")],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE...",
            help="The settings of the kind. KEY=@FILE reads the value from a file, @- from stdin.",
        ),
    ],
    kind: Annotated[str, typer.Option(help="The protocol the supplier speaks.")] = "dhru",
    currency: Annotated[str | None, typer.Option(help="Until the supplier names its own; by default CURRENCY.")] = None,
) -> None:
    """Add a supplier account. A secret it cannot do without is asked for, so that it need not be on the command line.

    Example: trunkline supplier add "Unlock Source" base_url=https://supplier.example username=us
    """
    config = dict(_setting(text) for text in values)
    if kind in registry.kinds():
        wanted = registry.kinds()[kind].config_type.model_fields
        for secret in sorted(registry.secret_names(kind) - config.keys()):
            if wanted[secret].is_required():
                config[secret] = typer.prompt(secret, hide_input=True, err=True)

    async def work(session: Session) -> int:
        async with session.db.transaction() as conn:
            return await service.add(
                conn,
                session.sealer,
                name=name,
                kind=kind,
                config=config,
                currency=currency or session.settings.currency,
            )

    print(f"Added supplier {with_database(work)}. Next: trunkline supplier test {name!r}")


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{key[:40]!r} is not of the form KEY=VALUE.")
    if not value.startswith("@"):
        return key, value
    if value == "@-":
        return key, typer.get_text_stream("stdin").read().strip()
    try:
        return key, Path(value[1:]).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"The file for {key[:40]} cannot be read: {type(error).__name__}.") from None


@commands.command()
def test(supplier: Which) -> None:
    """Ask a supplier for balance and catalogue and say how that went. Buys nothing; exit code 1 if it does not work.

    Example: trunkline supplier test "Unlock Source"
    """

    async def work(session: Session) -> Diagnosis:
        async with session.db.pool.connection() as conn:
            found = await records.find_supplier(conn, supplier)
        with progress() as shown:
            shown.add_task(f"Asking {escape(found.name)}", total=1)
            return await try_out(session.db, session.sealer, found.id)

    diagnosis = with_database(work)
    if not diagnosis.ok:
        fail("\n".join(line for line in (diagnosis.diagnosis, diagnosis.hint) if line))
    print(diagnosis.diagnosis)


@commands.command()
def sync(
    suppliers: Annotated[
        list[str] | None, typer.Argument(metavar="SUPPLIER", help="Names or ids; none: all that are active.")
    ] = None,
    believe: Annotated[
        bool, typer.Option("--believe", help="Remove at once whatever the list of the one supplier named lacks.")
    ] = False,
) -> None:
    """Take over suppliers' catalogues now. One that cannot be read makes the exit code 1 and does not stop the others.

    A list that lacks more than half of what we know removes nothing ("held"): broken suppliers answer so. If it really
    shrank, --believe takes one reading as it is. Example: trunkline supplier sync "Unlock Source"
    """
    if believe and len(suppliers or ()) != 1:
        raise typer.BadParameter("Name the one supplier whose list to believe.")

    async def work(session: Session) -> tuple[list[str], list[str]]:
        async with session.db.pool.connection() as conn:
            if suppliers:
                chosen = [await records.find_supplier(conn, text) for text in suppliers]
            else:
                chosen = [row for row in await records.list_suppliers(conn) if row.state == "active"]
        done, failures = [], []
        with progress() as shown:
            task = shown.add_task("Reading catalogues", total=len(chosen))
            for row in chosen:
                shown.update(task, description=f"Reading the catalogue of {escape(row.name)}")
                try:
                    result = await sync_supplier(session.db, session.sealer, row.id, believed=believe)
                except TrunklineError as error:
                    failures.append(f"{row.name}: {error.message}")
                else:
                    line = (
                        f"{row.name}: {result.added} added, {result.changed} changed, {result.removed} removed,"
                        f" {result.held} held."
                    )
                    done.append(f"{line} {result.waiting} wait for approval." if result.waiting else line)
                shown.advance(task)
        return done, failures

    done, failures = with_database(work)
    for line in done:
        print(line)
    if failures:
        fail("\n".join(failures))


@commands.command("list")
def list_() -> None:
    """List our supplier accounts with their balances and how they stand.

    Example: trunkline supplier list
    """

    async def work(session: Session) -> list[SupplierRow]:
        async with session.db.pool.connection() as conn:
            return await records.list_suppliers(conn)

    rows = [
        (
            row.id,
            row.name,
            row.kind,
            f"paused: {row.pause_reason}" if row.paused_until else row.state,
            None if row.balance is None else format_amount(row.balance),
            row.currency,
            row.services,
            row.unclear,
        )
        for row in with_database(work)
    ]
    headings = ("ID", "NAME", "KIND", "STATE", "BALANCE", "CURRENCY", "SERVICES", "UNCLEAR")
    table(headings, rows, "There is no supplier yet: trunkline supplier add.")


@commands.command()
def services(
    supplier: Which,
    search: Annotated[str, typer.Option(help="Part of a name or group, or their id.")] = "",
    limit: Limit = 200,
) -> None:
    """List what a supplier sells, as last read. The ID is what `trunkline route add` wants.

    Example: trunkline supplier services "Unlock Source" --search "iphone carrier"
    """

    async def work(session: Session) -> list[RemoteServiceRow]:
        async with session.db.pool.connection() as conn:
            found = await records.find_supplier(conn, supplier)
        async with session.db.sessions() as reading:
            return await records.remote_services(reading, found.id, search=search, limit=limit)

    rows = [
        (row.id, row.remote_id, row.type, None if row.cost is None else format_amount(row.cost), row.currency, row.name)
        for row in with_database(work)
    ]
    headings = ("ID", "THEIRS", "TYPE", "COST", "CURRENCY", "NAME")
    table(headings, rows, "No such service; trunkline supplier sync reads the catalogue.")


@commands.command("changes")
def changes_(
    supplier: Which,
    state: Annotated[ChangeState, typer.Option(help="What became of them.")] = ChangeState.WAITING,
    limit: Limit = 200,
) -> None:
    """List what a supplier changed and what that does to our margins: one line for each service of ours bought there.

    Example: trunkline supplier changes "Unlock Source"
    """

    async def work(session: Session) -> list[ChangeRow]:
        async with session.db.pool.connection() as conn:
            found = await records.find_supplier(conn, supplier)
            return await changes.list_changes(conn, found.id, state=state, limit=limit)

    rows = [
        (change.id, change.kind, change.state, _said(change.old), _said(change.new), change.remote_name, *margins)
        for change in with_database(work)
        for margins in _margins(change.effects)
    ]
    headings = ("ID", "KIND", "STATE", "OLD", "NEW", "THEIRS", "OURS", "MARGIN", "THEN")
    table(headings, rows, "There is no such change.")


def _said(columns: dict[str, Any]) -> str:
    """Return one side of a change as a few words."""
    shown = {
        name: format_amount(value) if name == "cost" and value is not None else value for name, value in columns.items()
    }
    return ", ".join(f"{name} {value}" for name, value in shown.items() if value not in ("", None, []))[:60] or "-"


def _margins(effects: Sequence[Effect]) -> list[tuple[str | None, ...]]:
    """Return our services with their margins before and after; a row of nothings if there is none."""
    if not effects:
        return [(None, None, None)]
    return [(effect.service, _amount(effect.margin_before), _amount(effect.margin_after)) for effect in effects]


def _amount(micro: int | None) -> str | None:
    return None if micro is None else format_amount(micro)


@commands.command()
def approve(
    supplier: Which,
    ids: Annotated[
        list[int] | None,
        typer.Argument(metavar="ID...", min=1, max=MAX_ID, help="Ids of changes, as `supplier changes` lists them."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
) -> None:
    """Take over changes of a supplier that wait. Those that the supplier has gone back on are skipped.

    Example: trunkline supplier approve "Unlock Source" 17 18
    """
    if bool(ids) == everything:
        raise typer.BadParameter("Name the changes, or say --all.")

    async def work(session: Session) -> int:
        async with session.db.transaction() as conn:
            found = await records.find_supplier(conn, supplier)
            chosen = ids or await changes.waiting_ids(conn, found.id)
            return await changes.approve_many(conn, found.id, chosen, staff_id=None)

    approved = with_database(work)
    print(f"Approved {approved} changes." if approved != 1 else "Approved 1 change.")


def rotate_secrets() -> None:
    """Seal the secrets of suppliers, alarm channels, second factors and webhooks with the newest (first) SECRET_KEY.

    API keys and staff tokens are kept as hashes that cannot be renewed: those made under an older key work only while
    that key stays in SECRET_KEY. Example: SECRET_KEY="$NEW,$OLD" trunkline rotate-secrets
    """

    async def work(session: Session) -> tuple[int, int, int, int]:
        async with session.db.transaction() as conn:
            return (
                await service.reseal(conn, session.sealer),
                await reseal_channels(conn, session.sealer),
                await reseal_second_factors(conn, session.sealer),
                await reseal_endpoints(conn, session.sealer),
            )

    suppliers, channels, factors, endpoints = with_database(work)
    print(f"The secrets of {suppliers} suppliers are sealed with the newest key.")
    if channels:
        print(f"So are those of {channels} alarm channels.")
    if factors:
        print(f"So are those of {factors} second factors.")
    if endpoints:
        print(f"So are those of {endpoints} webhook endpoints.")
