"""``trunkline staff``: who may use the staff API."""

from typing import Annotated

import typer

from app.cli.output import table
from app.cli.session import Session, with_database
from app.staff.service import RIGHTS, NewToken, StaffRow, create_staff, create_token, find_staff, list_staff

commands = typer.Typer(help="Who may use the staff API, and their tokens.", no_args_is_help=True)

_ROLES = ", ".join(RIGHTS)


@commands.command()
def create(
    email: Annotated[str, typer.Argument(help="The e-mail address; the member is known by it.")],
    name: Annotated[str, typer.Option(help="The name; by default the address.")] = "",
    role: Annotated[
        str,
        typer.Option(
            help=f"One of {_ROLES}. owner may do everything, operator all but move money by hand and say who is "
            "told of alarms, finance only move money, read_only only look."
        ),
    ] = "owner",
) -> None:
    """Create a staff member; make them a token next.

    Example: trunkline staff create ann@example.com --name "Ann" --role operator
    """

    async def work(session: Session) -> int:
        async with session.db.transaction() as conn:
            return await create_staff(conn, email=email, name=name or email, role=role)

    print(f"Created staff member {with_database(work)}, {role}. Next: trunkline staff token {email}")


@commands.command()
def token(
    email: Annotated[str, typer.Argument(help="The staff member's e-mail address.")],
    label: Annotated[str, typer.Option(help="What the token is for.")] = "",
    days: Annotated[int | None, typer.Option(help="Days until it ends; by default never.")] = None,
) -> None:
    """Make a token for the staff API and print it, this once.

    Example: TOKEN=$(trunkline staff token ann@example.com --label laptop)
    """

    async def work(session: Session) -> NewToken:
        async with session.db.transaction() as conn:
            staff_id = await find_staff(conn, email)
            return await create_token(conn, session.sealer, staff_id, label=label, days=days)

    print(with_database(work).token)


@commands.command("list")
def list_() -> None:
    """List the staff and how many working tokens each has.

    Example: trunkline staff list
    """

    async def work(session: Session) -> list[StaffRow]:
        async with session.db.pool.connection() as conn:
            return await list_staff(conn)

    rows = [(row.id, row.email, row.name, row.role, row.state, row.tokens) for row in with_database(work)]
    table(("ID", "EMAIL", "NAME", "ROLE", "STATE", "TOKENS"), rows, "There is no staff yet: trunkline staff create.")
