"""Keeps secrets out of what is shown of suppliers' words: those of their accounts, and those that orders carried.

Transcripts are cleaned when they are written. What a supplier says reaches further, into refusals, reasons and alarms,
and a hostile one may quote our key there; so what leaves the house is cleaned again by value.
"""

import re
from collections.abc import Callable, Iterable

import orjson

from app.connectors._redact import MASK, Redactor
from app.db import Connection
from app.sealing import Sealer

MIN_SECRET = 8
"""A shorter one occurs inside other words and numbers by chance, so it is only looked for as a whole word."""

_OURS = re.compile(r"\b([a-z]{2,8})_[A-Za-z0-9]{43}(?![A-Za-z0-9])")
"""Our own keys and tokens; only their hashes are kept, so they are known by their form."""

Hide = Callable[[str], str]


async def hiding(conn: Connection, sealer: Sealer, supplier_ids: Iterable[int], more: Iterable[str] = ()) -> Hide:
    """Return what replaces every secret of these suppliers' accounts, ``more`` and our own keys in a text by ``***``.

    Secrets that no key of ``sealer`` opens any more are known to nobody and cannot be looked for.
    """
    cursor = await conn.execute("SELECT sealed FROM suppliers WHERE id = ANY (%s)", (sorted(set(supplier_ids)),))
    given = {secret for secret in more if secret.strip()}
    secrets = {secret for secret in given if len(secret) >= MIN_SECRET}
    words = "|".join(re.escape(secret) for secret in sorted(given - secrets, key=len, reverse=True))
    short = re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])") if words else None
    for row in await cursor.fetchall():
        try:
            secrets |= {str(value) for value in orjson.loads(sealer.open(row["sealed"])).values()}
        except ValueError:
            continue
    redact = Redactor(sorted(secrets))

    def hide(text: str) -> str:
        text = _OURS.sub(rf"\1_{MASK}", redact(text))
        return short.sub(MASK, text) if short else text

    return hide
