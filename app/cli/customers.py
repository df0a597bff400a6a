"""``trunkline customer``: who buys from us, their keys and their credit."""

from typing import Annotated

import typer

from app.approvals import asking
from app.approvals.asking import FourEyes, Moved
from app.cli.output import Amount, Limit, table
from app.cli.session import Session, with_database
from app.customers.keys import NewKey, create_key
from app.customers.portal import drop_second_factor, invite_customer
from app.customers.records import CustomerRow, find_customer, get_customer, list_customers
from app.customers.scopes import ALL_SCOPES, Scope
from app.customers.service import create_customer
from app.db import Connection
from app.house.service import settings_now
from app.ledger.service import account_of, open_account
from app.money import format_amount, parse_amount

commands = typer.Typer(help="Who buys from us: customers, their keys and their credit.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's username, e-mail address or id.")]


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="The customer's name; the username is made from it.")],
    email: Annotated[str, typer.Argument(help="The customer's e-mail address.")],
    currency: Annotated[str | None, typer.Option(help="Their currency, for life; by default CURRENCY.")] = None,
    credit_limit: Annotated[
        int, typer.Option(parser=parse_amount, metavar="AMOUNT", help="How far below zero the balance may go.")
    ] = 0,
) -> None:
    """Create a customer and their account; make them a key and give them credit next.

    Example: trunkline customer create "Mobile Fix" orders@mobilefix.example --credit-limit 50
    """

    async def work(session: Session) -> CustomerRow:
        chosen = currency or session.settings.currency
        async with session.db.transaction() as conn:
            await asking.refuse_alone(conn, await _eyes(session, conn), credit_limit, chosen, field="credit_limit")
            customer_id = await create_customer(conn, name=name, email=email, currency=chosen)
            await open_account(conn, customer_id, chosen, credit_limit)
            return await get_customer(conn, customer_id)

    made = with_database(work)
    print(f"Created customer {made.id}, username {made.username}. Next: trunkline customer key {made.username}")


@commands.command()
def invite(customer: Who) -> None:
    """Print a link with which a customer chooses a password for the portal; it works once, for three days.

    Example: trunkline customer invite mobile-fix
    """

    async def work(session: Session) -> str:
        async with session.db.transaction() as conn:
            row = await find_customer(conn, customer)
            token, _ends = await invite_customer(conn, session.sealer, row.id)
        return f"{session.settings.base_url}/portal/welcome#{token}"

    print(with_database(work))


@commands.command("no-second-factor")
def no_second_factor(customer: Who) -> None:
    """Take the second factor away from a customer who lost the phone and the recovery codes.

    Example: trunkline customer no-second-factor mobile-fix
    """

    async def work(session: Session) -> CustomerRow:
        async with session.db.transaction() as conn:
            row = await find_customer(conn, customer)
            await drop_second_factor(conn, row.id)
        return row

    print(f"{with_database(work).username} signs in with the password alone.")


@commands.command()
def key(
    customer: Who,
    *,
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    dialect: Annotated[str, typer.Option(help="The DHRU version it speaks: 6.1 or 8.2.")] = "6.1",
    ip: Annotated[
        list[str] | None, typer.Option(help="An address or network it may be used from; repeat it for more.")
    ] = None,
    rate: Annotated[
        int | None, typer.Option(min=0, max=1_000_000, help="Requests a minute; 0: no limit; by default the server's.")
    ] = None,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it may do; repeat it for more. Default: everything.")
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Nothing real is ever bought with it.")] = False,
) -> None:
    """Make an API key and print it with the username, this once.

    Example: trunkline customer key mobile-fix --label "their panel" --ip 203.0.113.7
    """

    async def work(session: Session) -> NewKey:
        async with session.db.transaction() as conn:
            found = await find_customer(conn, customer)
            return await create_key(
                conn,
                session.sealer,
                found.id,
                label=label,
                dialect=dialect,
                allowed_ips=ip or (),
                requests_per_minute=rate,
                scopes=scope or ALL_SCOPES,
                sandbox=sandbox,
            )

    made = with_database(work)
    print(f"username: {made.username}\nkey: {made.key}")


@commands.command()
def topup(
    customer: Who,
    amount: Amount,
    reference: Annotated[str, typer.Argument(help="Which payment this is; it is credited once, however often given.")],
) -> None:
    """Give a customer credit, once per reference. Above FOUR_EYES_ABOVE it refuses: the staff API can ask another.

    Example: trunkline customer topup mobile-fix 250.00 "bank 2026-11-20 4711"
    """

    async def work(session: Session) -> tuple[bool, str]:
        async with session.db.transaction() as conn:
            found = await find_customer(conn, customer)
            # Without a member of staff to ask in the name of, this moves money or refuses; nothing waits.
            moved = await asking.topup(
                conn, await _eyes(session, conn), found.id, amount=amount, reference=reference, staff_id=None
            )
            account = await account_of(conn, found.id)
            return isinstance(moved, Moved) and moved.new, f"{format_amount(account.balance)} {account.currency}"

    new, balance = with_database(work)
    print(f"{'Credited.' if new else 'This reference was credited before; nothing changed.'} The balance is {balance}.")


@commands.command("list")
def list_(
    search: Annotated[str, typer.Option(help="Part of a name, username or e-mail address.")] = "",
    limit: Limit = 200,
) -> None:
    """List customers with their balances.

    Example: trunkline customer list --search fix
    """

    async def work(session: Session) -> list[CustomerRow]:
        async with session.db.pool.connection() as conn:
            return await list_customers(conn, search=search, limit=limit)

    rows = [
        (row.id, row.username, row.email, row.state, format_amount(row.balance), format_amount(row.credit_limit),
         row.currency)
        for row in with_database(work)
    ]  # fmt: skip
    headings = ("ID", "USERNAME", "EMAIL", "STATE", "BALANCE", "LIMIT", "CURRENCY")
    table(headings, rows, "There is no such customer.")


async def _eyes(session: Session, conn: Connection) -> FourEyes:
    # What an owner set in the admin counts here too: a shell is no way around it.
    settings = await settings_now(conn, session.settings)
    return FourEyes(settings.four_eyes_above, settings.currency)
