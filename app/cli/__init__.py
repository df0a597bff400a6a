"""The command ``trunkline``: one sub-command or group per file."""

import typer

from app.cli import audit, customers, demo, routes, services, serving, staff, suppliers

cli = typer.Typer(
    name="trunkline",
    help="A DHRU-compatible supplier aggregator: one supplier to every panel, many suppliers behind it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli.command()(demo.demo)
cli.command()(serving.up)
cli.command()(serving.serve)
cli.command()(serving.worker)
cli.command()(serving.migrate)
cli.command()(serving.simulator)
cli.command()(audit.audit)
cli.command("rotate-secrets")(suppliers.rotate_secrets)
cli.add_typer(staff.commands, name="staff")
cli.add_typer(customers.commands, name="customer")
cli.add_typer(suppliers.commands, name="supplier")
cli.add_typer(services.commands, name="service")
cli.add_typer(routes.commands, name="route")


def main() -> None:
    """Run the command line."""
    cli()
