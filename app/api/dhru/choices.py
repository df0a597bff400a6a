"""Choices from a supplier's lists: modellist, providerlist and meplist, and what customers chose from them.

What may be chosen for a service is what the supplier of its first route has, under that supplier's own ids.
"""

from collections.abc import Iterable, Sequence
from itertools import count, groupby
from typing import Any

from app.api.dhru import replies
from app.api.dhru.call import Call
from app.api.dhru.inputs import service_of, single_row
from app.api.dhru.replies import Refusal, Reply
from app.catalog.snapshot import Catalog, Field
from app.db import Database
from app.orders.choices import wrong_choices
from app.orders.wishes import Wish
from app.suppliers.devices import Entry, choices_of

_WORDS = {"device": "MODELID", "network": "PROVIDERID", "mep": "MEP"}


async def model_list(call: Call) -> Reply:
    """Answer modellist: the brands with their models."""
    entries = await _entries(call, "device")
    groups = [
        {"ID": brand, "NAME": name or "Other", "MODELS": _by_id(models)}
        for (brand, name), models in groupby(entries, lambda entry: (entry.parent, entry.parent_name))
    ]
    return replies.success({"MESSAGE": "Model List", "LIST": groups})


async def provider_list(call: Call) -> Reply:
    """Answer providerlist: the countries with their networks. Countries have no ids and are numbered."""
    entries = await _entries(call, "network")
    groups = [
        {"ID": str(number), "NAME": country, "PROVIDERS": _by_id(networks)}
        for number, (country, networks) in enumerate(groupby(entries, lambda entry: entry.parent_name), start=1)
    ]
    return replies.success({"MESSAGE": "Provider List", "LIST": groups})


async def mep_list(call: Call) -> Reply:
    """Answer meplist."""
    entries = await _entries(call, "mep")
    return replies.success({"MESSAGE": "MEP List", "LIST": [_shown(entry) for entry in entries]})


def assigned(entries: Sequence[Entry]) -> dict[str, str]:
    """Return what getimeiservicedetails says of a service's lists: their ids, parted by commas."""
    models = [entry for entry in entries if entry.kind == "device"]
    networks = [entry.remote_id for entry in entries if entry.kind == "network"]
    return {
        "assigned_model": ",".join(entry.remote_id for entry in models),
        "assigned_provider": ",".join(networks),
        "assigned_brand": ",".join(dict.fromkeys(entry.parent for entry in models if entry.parent)),
    }


async def refuse_unknown_choices(
    db: Database, catalog: Catalog, checked: Sequence[Wish | Refusal]
) -> list[Wish | Refusal]:
    """Return the wishes with a refusal in place of each that chose what is not in the list."""
    wrong = await wrong_choices(db, catalog, [wish for wish in checked if isinstance(wish, Wish)])
    places = count()
    return [
        _unknown(wrong[place][0]) if isinstance(wish, Wish) and (place := next(places)) in wrong else wish
        for wish in checked
    ]


def choices(fields: Iterable[Field]) -> bool:
    """Say whether any of the fields is chosen from a supplier's list."""
    return any(field.choice for field in fields)


def _unknown(kind: str) -> Refusal:
    return replies.invalid(f"{_WORDS[kind]} is not one of the choices.")


async def _entries(call: Call, kind: str) -> list[Entry]:
    """Return what may be chosen for the service that a call names; nothing if it names none that has such a choice."""
    row = single_row(await call.content(), call.envelope.flat)
    catalog = await call.door.catalog.at_least(call.identity.catalog_version)
    try:
        service = service_of(row, catalog)
    except Refusal:
        return []
    if not choices(service.fields):
        return []
    async with call.door.db.pool.connection() as conn:
        return [entry for entry in await choices_of(conn, service.id) if entry.kind == kind]


def _by_id(entries: Iterable[Entry]) -> dict[str, Any]:
    """Return entries under their own ids: panels put those of all groups into one map and go by its keys."""
    return {entry.remote_id: _shown(entry) for entry in entries}


def _shown(entry: Entry) -> dict[str, str]:
    return {"ID": entry.remote_id, "NAME": entry.name}
