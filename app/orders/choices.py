"""What customers chose from a supplier's lists: devices, networks and MEPs, each by the supplier's own id."""

from collections.abc import Sequence

from app.catalog.snapshot import Catalog
from app.db import Database
from app.orders.wishes import Wish
from app.suppliers.devices import unknown_choices


async def wrong_choices(db: Database, catalog: Catalog, wishes: Sequence[Wish]) -> dict[int, tuple[str, str]]:
    """Return the wishes, by their place, that chose what is in no list: the kind of choice and the field's name."""
    chosen = [_chosen(wish, catalog) for wish in wishes]
    wanted = {one for row in chosen for one in row}
    if not wanted:
        return {}
    async with db.pool.connection() as conn:
        unknown = await unknown_choices(conn, wanted)
    wrong = {}
    for place, row in enumerate(chosen):
        first = next((one for one in row if one in unknown), None)
        if first is not None:
            wrong[place] = (first[1], row[first])
    return wrong


def _chosen(wish: Wish, catalog: Catalog) -> dict[tuple[int, str, str], str]:
    return {
        (wish.service_id, field.choice, wish.fields[field.name]): field.name
        for field in catalog.services[wish.service_id].fields
        if field.choice and field.name in wish.fields
    }
