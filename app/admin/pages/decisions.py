"""Deciding on changes, one or many, of catalogues as of prices: approved, rejected, undone."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.db import MAX_ID, Connection
from app.errors import Invalid
from app.pages.forms import safe_next
from app.staff.service import Right

PAGE = 50
STATES = ("waiting", "applied", "approved", "rejected", "undone")


class Deciding(Protocol):
    """How one change is decided on; ``conn`` is inside a transaction."""

    async def __call__(self, conn: Connection, change_id: int, *, staff_id: int | None) -> None:
        """Decide; NotFound, Conflict."""


Many = Callable[[Connection, Sequence[int], int], Awaitable[int]]
"""Decides on those of these changes that still wait, as a member of staff, and returns how many did."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What can be decided, the word and the sentence that say it was, and how it is done to many, if it can be."""

    word: str
    said: str
    one: Deciding
    many: Many | None = None


def state_of(visit: Visit) -> str:
    """Return the state whose changes are asked for; those that wait unless another is named."""
    return visit.asked("state") if visit.asked("state") in STATES else "waiting"


def add_decisions(pages: Noun, path: str, **decisions: Decision) -> None:
    """Put an action for each decision on a noun, below the path of its list, by its name there."""
    here = f"{pages.root}{path}"

    def back(visit: Visit) -> Response:
        return visit.go(safe_next(visit.form.get("back") or here, pages.root))

    def of_one(decision: Decision) -> Callable[[Visit], Awaitable[Response]]:
        async def decide(visit: Visit) -> Response:
            async with visit.transaction() as conn:
                await decision.one(conn, min(visit.id_in_path("change_id"), MAX_ID), staff_id=visit.staff.id)
            await visit.say(decision.said)
            return back(visit)

        return decide

    def of_many(decision: Decision, many: Many) -> Callable[[Visit], Awaitable[Response]]:
        async def decide(visit: Visit) -> Response:
            ids = visit.form.ids("change")
            if not ids:
                raise Invalid("Tick the changes first.", field="change")
            async with visit.transaction() as conn:
                decided = await many(conn, ids, visit.staff.id)
            skipped = len(ids) - decided
            await visit.say(f"{decided} {decision.word}" + (f"; {skipped} did not wait any more." if skipped else "."))
            return back(visit)

        return decide

    for name, decision in decisions.items():
        pages.action(f"{path}/{{change_id:int}}/{name}", back=here, right=Right.OPERATE)(of_one(decision))
        if decision.many is not None:
            pages.action(f"{path}/{name}", back=here, right=Right.OPERATE)(of_many(decision, decision.many))
