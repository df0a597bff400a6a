"""``trunkline service``: what we sell."""

from typing import Annotated

import typer

from app.catalog.rules import Rules
from app.catalog.service import NewField, NewService, create_service, list_services
from app.cli.output import Limit, table
from app.cli.session import Session, with_database
from app.connectors.base import ServiceType
from app.money import format_amount, parse_amount

commands = typer.Typer(help="What we sell.", no_args_is_help=True)


@commands.command()
def add(
    name: Annotated[str, typer.Argument(help="The name customers see.")],
    *,
    price: Annotated[
        int, typer.Option(parser=parse_amount, metavar="AMOUNT", help="The price of one piece, such as 2.50.")
    ],
    group: Annotated[str, typer.Option(help="The heading it stands under; made if there is none of that name.")],
    type_: Annotated[ServiceType, typer.Option("--type", help="What it is bought for.")] = ServiceType.IMEI,
    currency: Annotated[str | None, typer.Option(help="The currency of the price; by default CURRENCY.")] = None,
    device: Annotated[
        str | None, typer.Option(help="imei, serial, imei_or_serial or none; by default imei for type imei, else none.")
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="An extra input; a star at the end makes it required. Repeat it for more.")
    ] = None,
    min_quantity: Annotated[int | None, typer.Option("--min", help="The fewest pieces one order may ask for.")] = None,
    max_quantity: Annotated[int | None, typer.Option("--max", help="The most pieces one order may ask for.")] = None,
    time: Annotated[str, typer.Option(help="How long it takes, in words.")] = "",
    allow_duplicates: Annotated[
        bool, typer.Option("--allow-duplicates", help="A device may have several open orders at once.")
    ] = False,
) -> None:
    """Put a service on sale; orders are taken once a route leads to a supplier.

    Example: trunkline service add "Tool activation" --group Tools --type server --price 60 --field "Email*"
    """

    async def work(session: Session) -> int:
        new = NewService(
            name=name,
            group=group,
            type=type_,
            price=price,
            currency=currency or session.settings.currency,
            device=device,
            min_quantity=min_quantity,
            max_quantity=max_quantity,
            time=time,
            rules=Rules(duplicates="allow" if allow_duplicates else "refuse"),
            fields=[NewField(text.removesuffix("*"), required=text.endswith("*")) for text in field or ()],
        )
        async with session.db.sessions.begin() as writing:
            return (await create_service(writing, new)).id

    made = with_database(work)
    print(f"Created service {made}. Next: trunkline route add {made} REMOTE_SERVICE")


@commands.command("list")
def list_(
    search: Annotated[str, typer.Option(help="Part of a name or group.")] = "",
    limit: Limit = 200,
) -> None:
    """List our services, hidden ones too.

    Example: trunkline service list --search iphone
    """

    async def work(session: Session) -> list[tuple[object, ...]]:
        async with session.db.sessions() as reading:
            return [
                (row.id, row.type, row.state, format_amount(row.price), row.currency, row.group.name, row.name)
                for row in await list_services(reading, search=search, limit=limit)
            ]

    headings = ("ID", "TYPE", "STATE", "PRICE", "CURRENCY", "GROUP", "NAME")
    table(headings, with_database(work), "There is no such service.")
