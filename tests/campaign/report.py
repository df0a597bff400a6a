"""The table that a campaign ends with, and what broke, if anything did."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.campaign.plan import Plan
from tests.campaign.proof import SWEPT, Books
from tests.campaign.resellers import Told, Wish

MAX_SHOWN = 20


@dataclass
class Result:
    """What a campaign did and found.

    ``at_rest`` are the books when all was quiet, ``at_end`` those after staff resolved what was in doubt.
    """

    plan: Plan
    seconds: float
    rounds: Counter[str]
    faults: int
    at_rest: Books
    at_end: Books
    resolved: Counter[str]
    broken: dict[str, list[str]] = field(default_factory=dict)


def table(result: Result) -> str:
    """Return the result as a table."""
    return counts(list(_rows(result)))


def counts(rows: Sequence[tuple[str, int]]) -> str:
    """Return names and counts as a table, which is also one in Markdown."""
    width = max(len(name) for name, _ in rows)
    lines = [f"| {'what':{width}} | {'how many':>9} |", f"| {'-' * width} | {'-' * 8}: |"]
    return "\n".join([*lines, *(f"| {name:{width}} | {count:>9,} |" for name, count in rows)])


def breaks(broken: Mapping[str, Sequence[str]]) -> str:
    """Return what broke, a line each, the first few of every promise."""
    lines = []
    for name, found in broken.items():
        lines += [f"BROKEN: {name}: {one}" for one in found[:MAX_SHOWN]]
        if len(found) > MAX_SHOWN:
            lines.append(f"BROKEN: {name}: and {len(found) - MAX_SHOWN} more")
    return "\n".join(lines)


def _rows(result: Result) -> list[tuple[str, int]]:
    end, rest = result.at_end, result.at_rest
    wishes = end.wishes.values()
    states = Counter(order.state for order in end.ours.orders.values())
    doubt = Counter(_why(one.text) for one in rest.unclear)
    bought = sum(rest.really_sold(one) is not None for one in rest.unclear)
    return [
        ("rounds", result.plan.rounds),
        *((f"killed: {name}", count) for name, count in sorted(result.rounds.items())),
        ("faults that suppliers were given", result.faults),
        ("wishes of resellers", len(wishes)),
        ("told an order id", sum(Told.ID in wish.told for wish in wishes)),
        ("told that credit is out", sum(Told.NO_CREDIT in wish.told for wish in wishes)),
        ("told nothing but that we are away", sum(_turned_away(wish) for wish in wishes)),
        ("replies lost, order sent again or given up", sum(Told.LOST in wish.told for wish in wishes)),
        ("... of these known although no id was told", sum(_silently_known(end, key) for key in end.wishes)),
        ("orders", len(end.ours.orders)),
        ("attempts", len(end.ours.attempts)),
        ("purchases at the suppliers", len(end.sold)),
        ("attempts that were ever unclear", end.ours.ever_unclear),
        ("unclear when all was quiet", len(rest.unclear)),
        *((f"... {name}", count) for name, count in sorted(doubt.items())),
        ("... of these really bought", bought),
        *((f"resolved by staff: {name}", count) for name, count in sorted(result.resolved.items())),
        ("completed", states["completed"]),
        ("rejected and refunded", states["rejected"]),
        *((f"**{name}**", len(found)) for name, found in result.broken.items()),
    ]


def _turned_away(wish: Wish) -> bool:
    return bool(wish.told) and set(wish.told) <= {Told.NO, Told.NOT_SENT}


def _why(text: str) -> str:
    return "killed between sending and writing down" if text.startswith(SWEPT) else "the reply says nothing certain"


def _silently_known(books: Books, key: str) -> bool:
    return Told.ID not in books.wishes[key].told and key in books.orders_by_key
