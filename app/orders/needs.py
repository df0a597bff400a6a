"""How many orders are open, late, unclear or held now; nobody waits for an exact number above a thousand."""

from dataclasses import dataclass

from app.db import Connection

MOST = 1000
"""What is beyond is not counted: it is many."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Orders that are open, and of them those that need somebody; each at most one above ``MOST``."""

    open: int
    late: int
    unclear: int
    held: int


_NEEDS = """
SELECT (SELECT count(*) FROM (SELECT FROM orders WHERE state IN ('accepted', 'in_progress') LIMIT %(most)s) o) AS open,
       (SELECT count(*) FROM (
            (SELECT FROM orders WHERE state IN ('accepted', 'in_progress') AND escalated_at IS NOT NULL LIMIT %(most)s)
            UNION ALL
            (SELECT FROM orders WHERE state IN ('accepted', 'in_progress') AND escalated_at IS NULL
                AND late_at < now() LIMIT %(most)s)
            LIMIT %(most)s) o) AS late,
       (SELECT count(*) FROM (SELECT FROM attempts WHERE state = 'unclear' LIMIT %(most)s) a) AS unclear,
       (SELECT count(*) FROM (SELECT FROM orders WHERE held IS NOT NULL LIMIT %(most)s) o) AS held
"""


async def needs(conn: Connection) -> Needs:
    """Return how many orders are open and how many of them need somebody."""
    (row,) = await (await conn.execute(_NEEDS, {"most": MOST + 1})).fetchall()
    return Needs(**row)
