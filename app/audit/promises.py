"""Names what the audit deals in: promises, what breaks one, and what a run has found."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.db import Connection

MAX_FINDINGS = 100
"""How many breaks of one promise are listed; the first few tell the story."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that is true of every row that is looked at, unless the SQL condition ``broken`` is.

    ``subject`` and ``detail`` are SQL expressions: which row it is, and how it breaks the promise.
    """

    words: str
    broken: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that is broken: by what (``subject``), and how (``detail``)."""

    promise: str
    subject: str
    detail: str


@dataclass(slots=True)
class Breaks:
    """How often one promise is broken, and the first of its findings."""

    count: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """How many more findings may be listed."""
        return MAX_FINDINGS - len(self.findings)


Broken = dict[str, Breaks]
"""The broken promises by their words."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A promise that a whole query proves: it returns a subject and a detail for each break."""

    words: str
    query: str

    async def read(self, conn: Connection) -> Broken:
        """Return the breaks, nothing if there are none; the query is a constant of ours, without arguments."""
        cursor = await conn.execute(
            f"SELECT subject, detail, count(*) OVER () AS n FROM ({self.query}) q LIMIT {MAX_FINDINGS}"
        )
        rows = await cursor.fetchall()
        findings = [Finding(self.words, row["subject"], row["detail"]) for row in rows]
        return {self.words: Breaks(rows[0]["n"], findings)} if rows else {}


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What was looked at, in ``seconds``, and what was found; ``ok`` if nothing is broken.

    ``breaks`` says how often each broken promise is, ``findings`` has the first hundred of each.
    """

    accounts: int
    transfers: int
    orders: int
    attempts: int
    seconds: float
    breaks: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every promise holds."""
        return not self.findings
