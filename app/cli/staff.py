"""``trunkline staff``: who may use the staff API."""

from typing import Annotated

import typer

from app.access.guesses import about_account, about_code, forget_tries
from app.access.passwords import hash_password, set_password
from app.access.second_factor import drop_second_factor
from app.access.sessions import end_sessions
from app.cli.output import table
from app.cli.session import Session, with_database
from app.staff.members import get_member
from app.staff.members import invite as make_invite
from app.staff.service import REALM, RIGHTS, NewToken, StaffRow, create_staff, create_token, find_staff, list_staff

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
    """Create a staff member; give them a password or a token next.

    Example: trunkline staff create ann@example.com --name "Ann" --role operator
    """

    async def work(session: Session) -> int:
        async with session.db.transaction() as conn:
            return await create_staff(conn, email=email, name=name or email, role=role)

    print(f"Created staff member {with_database(work)}, {role}. Next: trunkline staff password {email}")


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


@commands.command()
def password(email: Annotated[str, typer.Argument(help="The staff member's e-mail address.")]) -> None:
    """Set the password with which a staff member signs in at /admin; it is asked for, and their sessions end.

    Also forgets wrong tries, so that nobody stays locked out. Example: trunkline staff password ann@example.com
    """
    chosen: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)

    async def work(session: Session) -> None:
        hashed = await hash_password(chosen, email=email.strip().lower())
        async with session.db.transaction() as conn:
            login_id = (await get_member(conn, await find_staff(conn, email))).login_id
            await set_password(conn, login_id, hashed)
            account = about_account(session.sealer, REALM.name, email)
            await forget_tries(conn, account, about_code(session.sealer, login_id))

    with_database(work)
    print(f"The password of {email} is set. Sign in at /admin.")


@commands.command()
def invite(email: Annotated[str, typer.Argument(help="The staff member's e-mail address.")]) -> None:
    """Print a link with which a staff member chooses a password; it works once, for three days.

    Example: trunkline staff invite ann@example.com
    """

    async def work(session: Session) -> str:
        async with session.db.transaction() as conn:
            invited, _ends = await make_invite(conn, session.sealer, await find_staff(conn, email))
        return f"{session.settings.base_url}/admin/welcome#{invited}"

    print(with_database(work))


@commands.command("no-second-factor")
def no_second_factor(email: Annotated[str, typer.Argument(help="The staff member's e-mail address.")]) -> None:
    """Take the second factor away from a staff member who lost the phone and the recovery codes.

    Example: trunkline staff no-second-factor ann@example.com
    """

    async def work(session: Session) -> None:
        async with session.db.transaction() as conn:
            login_id = (await get_member(conn, await find_staff(conn, email))).login_id
            await drop_second_factor(conn, login_id)
            await end_sessions(conn, login_id)

    with_database(work)
    print(f"{email} signs in with the password alone.")


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
