"""``trunkline route``: which remote service fulfils a service of ours."""

from typing import Annotated

import typer

from app.cli.output import MAX_ID, Limit, table
from app.cli.session import Session, with_database
from app.money import format_amount
from app.suppliers import routes

commands = typer.Typer(help="Which supplier's service fulfils which of ours.", no_args_is_help=True)


@commands.command()
def add(
    service: Annotated[
        int, typer.Argument(min=1, max=MAX_ID, help="The id of our service, from: trunkline service list")
    ],
    remote_service: Annotated[
        int, typer.Argument(min=1, max=MAX_ID, help="The id of the remote service, from: trunkline supplier services")
    ],
    priority: Annotated[int, typer.Option(min=0, max=1_000_000, help="The lowest number is tried first.")] = 100,
) -> None:
    """Route a service of ours to a supplier's. What will go wrong with it is said at once.

    Example: trunkline route add 1 17 --priority 50
    """

    async def work(session: Session) -> tuple[int, list[str]]:
        async with session.db.transaction() as conn:
            route_id = await routes.add_route(
                conn, service_id=service, remote_service_id=remote_service, priority=priority
            )
            return route_id, await routes.route_warnings(conn, route_id)

    route_id, warnings = with_database(work)
    print(f"Added route {route_id}.")
    for warning in warnings:
        print(f"Warning: {warning}")


@commands.command("list")
def list_(
    service: Annotated[int | None, typer.Option(min=1, max=MAX_ID, help="The id of one service of ours.")] = None,
    limit: Limit = 200,
) -> None:
    """List routes with cost, price and why one may not be used now.

    Example: trunkline route list --service 1
    """

    async def work(session: Session) -> list[routes.RouteRow]:
        async with session.db.pool.connection() as conn:
            return await routes.list_routes(conn, service_id=service, limit=limit)

    rows = [
        (
            row.id,
            row.service,
            row.priority,
            f"{row.supplier}: {row.remote_name}",
            None if row.cost is None else format_amount(row.cost),
            format_amount(row.price),
            row.currency,
            row.blocked or "usable",
        )
        for row in with_database(work)
    ]
    headings = ("ID", "SERVICE", "PRIORITY", "SUPPLIER", "COST", "PRICE", "CURRENCY", "NOW")
    table(headings, rows, "There is no such route.")
