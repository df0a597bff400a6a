"""``trunkline manual``: orders that wait for a person."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.output import MAX_ID, Limit, table
from app.cli.session import Session, with_database
from app.orders import by_hand
from app.orders.by_hand import WaitingRow

commands = typer.Typer(help="Orders that wait for a person.", no_args_is_help=True)

ACTOR = "command line"

Attempt = Annotated[int, typer.Argument(min=1, max=MAX_ID, help="The number from: trunkline manual list")]


@commands.command("list")
def list_(limit: Limit = 200) -> None:
    """List what waits for a person, oldest first.

    Example: trunkline manual list
    """

    async def work(session: Session) -> list[WaitingRow]:
        async with session.db.pool.connection() as conn:
            return await by_hand.list_waiting(conn, limit=limit)

    rows = [
        (
            row.id,
            row.order_id,
            row.supplier,
            row.task,
            row.device or None,
            row.quantity,
            "; ".join(f"{name}: {value}" for name, value in row.fields.items()) or None,
            None if row.placed_at is None else f"{row.placed_at:%Y-%m-%d %H:%M}",
        )
        for row in with_database(work)
    ]
    headings = ("ID", "ORDER", "SUPPLIER", "TASK", "DEVICE", "QUANTITY", "INPUTS", "SINCE")
    table(headings, rows, "Nothing waits for a person.")


@commands.command()
def finish(
    attempt: Attempt,
    result: Annotated[str, typer.Argument(help="What the customer gets. @FILE reads it from a file, @- from stdin.")],
) -> None:
    """Deliver a result; the order is completed.

    Example: trunkline manual finish 17 "NCK: 12345678"
    """
    text = _text(result)

    async def work(session: Session) -> None:
        async with session.db.transaction() as conn:
            await by_hand.finish(conn, attempt, result=text, actor=ACTOR)

    with_database(work)
    print(f"Delivered {attempt}.")


@commands.command()
def reject(attempt: Attempt, reason: Annotated[str, typer.Argument(help="What the customer is told.")]) -> None:
    """Close an order that cannot be fulfilled; the customer gets the money back.

    Example: trunkline manual reject 17 "Not available for this model"
    """

    async def work(session: Session) -> None:
        async with session.db.transaction() as conn:
            await by_hand.give_up(conn, attempt, reason=reason, actor=ACTOR)

    with_database(work)
    print(f"Rejected {attempt}.")


def _text(value: str) -> str:
    if not value.startswith("@"):
        return value
    if value == "@-":
        return typer.get_text_stream("stdin").read()
    try:
        return Path(value[1:]).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"The file cannot be read: {type(error).__name__}.") from None
