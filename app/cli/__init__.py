"""The command ``trunkline``: one sub-command or group per file."""

import typer

from app.cli.audit import audit
from app.cli.customers import commands as customers
from app.cli.demo import demo
from app.cli.fakes import fakes
from app.cli.manual import commands as manual
from app.cli.routes import commands as routes
from app.cli.services import commands as services
from app.cli.serving import migrate, serve, simulator, up, worker
from app.cli.staff import commands as staff
from app.cli.suppliers import commands as suppliers
from app.cli.suppliers import rotate_secrets

cli = typer.Typer(
    name="trunkline",
    help="A DHRU-compatible supplier aggregator: one supplier to every panel, many suppliers behind it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (demo, up, serve, worker, migrate, simulator, fakes, audit, rotate_secrets):
    cli.command()(command)
for name, group in {
    "staff": staff,
    "customer": customers,
    "supplier": suppliers,
    "service": services,
    "route": routes,
    "manual": manual,
}.items():
    cli.add_typer(group, name=name)


def main() -> None:
    """Run the command line."""
    cli()
