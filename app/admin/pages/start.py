"""Start: what to do next, from an empty database to the first order."""

from dataclasses import dataclass

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit

pages = Noun()


@dataclass(frozen=True, slots=True)
class Step:
    """A step of setting up, whether it is done, and the command that does it."""

    title: str
    text: str
    command: str
    done: bool


@pages.page("/")
async def start(visit: Visit) -> Response:
    """The steps with the next one open, and how many alarms wait."""
    async with visit.parts.db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT EXISTS (SELECT FROM suppliers) AS suppliers, EXISTS (SELECT FROM remote_services) AS synced,"
            " EXISTS (SELECT FROM routes) AS routes, EXISTS (SELECT FROM api_keys) AS keys,"
            " EXISTS (SELECT FROM orders) AS orders, (SELECT count(*) FROM alarms WHERE state = 'open') AS alarms"
        )
        (there,) = await cursor.fetchall()
    steps = [
        Step("Add a supplier", "An account of ours upstream.", "trunkline supplier add", there["suppliers"]),
        Step("Read its catalogue", "What it sells, and at what cost.", "trunkline supplier sync", there["synced"]),
        Step(
            "Map a service", "What you sell, and where it is bought.", "trunkline service add; trunkline route add",
            there["routes"],
        ),
        Step(
            "Create a reseller", "A customer with credit and an API key.",
            "trunkline customer create; trunkline customer topup; trunkline customer key", there["keys"],
        ),
        Step(
            "Take the first order", "Their panel sends it to the DHRU endpoint.", f"{visit.parts.base_url}",
            there["orders"],
        ),
    ]  # fmt: skip
    following = next((number for number, step in enumerate(steps) if not step.done), None)
    return await visit.page("start/index.html", steps=steps, following=following, alarms=there["alarms"])
