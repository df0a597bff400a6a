"""One phrase of a supplier's at a time: what it means here, or that its kind's own table holds again."""

from typing import Literal

from app.db import Connection
from app.errors import Invalid
from app.sealing import Sealer
from app.suppliers import service
from app.suppliers.wording import checked_wording

Group = Literal["refusals", "statuses"]


async def set_meaning(
    conn: Connection, sealer: Sealer, supplier_id: int, group: Group, *, phrase: str, meaning: str
) -> None:
    """Say what a phrase means; ``conn`` is inside a transaction. NotFound, and Invalid as of ``checked_wording``."""
    if not phrase.strip():
        raise Invalid("A phrase is needed.", field=f"{group}.phrase")
    words = await _locked(conn, supplier_id)
    words[group][phrase.strip().lower()] = meaning
    await service.change(conn, sealer, supplier_id, wording=checked_wording(words["refusals"], words["statuses"]))


async def forget_meaning(conn: Connection, sealer: Sealer, supplier_id: int, group: Group, phrase: str) -> None:
    """Let the kind's own table read a phrase again; one that is not there stays away. ``conn`` as above."""
    words = await _locked(conn, supplier_id)
    if words[group].pop(phrase, None) is not None:
        await service.change(conn, sealer, supplier_id, wording=words)


async def _locked(conn: Connection, supplier_id: int) -> dict[str, dict[str, str]]:
    """Return the words that are kept; two people who change them do so one after the other."""
    await conn.execute("SELECT 1 FROM suppliers WHERE id = %s FOR UPDATE", (supplier_id,))
    kept = (await service.get(conn, supplier_id)).wording
    return {"refusals": dict(kept.get("refusals", {})), "statuses": dict(kept.get("statuses", {}))}


_UNREAD = """
SELECT text, count(*) AS times, max(created_at) AS last FROM (
    SELECT text, created_at, supplier_id, state, refusal FROM attempts
    WHERE id > (SELECT COALESCE(max(id), 0) - %(looked_at)s FROM attempts)
) recent
WHERE supplier_id = %(supplier)s AND state = 'refused' AND refusal = 'other' AND text <> ''
GROUP BY text ORDER BY times DESC, last DESC LIMIT 20
"""
LOOKED_AT = 20_000
"""So many of the last attempts are looked through."""


async def unread_refusals(conn: Connection, supplier_id: int) -> list[tuple[str, int]]:
    """Return what the supplier refused with lately that no table knows the meaning of, and how often."""
    cursor = await conn.execute(_UNREAD, {"supplier": supplier_id, "looked_at": LOOKED_AT})
    return [(row["text"], row["times"]) for row in await cursor.fetchall()]
